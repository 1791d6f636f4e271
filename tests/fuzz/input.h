// What a fuzz target is given, and how it says that a property does not hold.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

// One input; called by libFuzzer (preset fuzz) and by the replay of the corpus (every other build).
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace bk::fuzz {

inline std::string_view Text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// The parts between the separators: at most `most`, the last one holds the rest.
inline std::vector<std::string> Parts(std::string_view text, char separator, size_t most) {
  std::vector<std::string> parts;
  while (parts.size() + 1 < most && text.find(separator) != std::string_view::npos) {
    parts.emplace_back(text.substr(0, text.find(separator)));
    text.remove_prefix(parts.back().size() + 1);
  }
  parts.emplace_back(text);
  return parts;
}

inline void Require(bool holds, std::string_view property, std::string_view value = "") {
  if (holds) return;
  std::cerr << "does not hold: " << property << ": " << value << std::endl;
  std::abort();
}

}  // namespace bk::fuzz
