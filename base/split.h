// Texts cut at a character. The pieces are views into the text. (Debian's abseil has a string_view of its own, so StrSplit takes
// none of the standard's.) Thread-safe (functions).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bk {

// At least one piece, at most `most`: the last one holds the rest.
inline std::vector<std::string_view> Split(std::string_view text, char separator, size_t most = SIZE_MAX) {
  std::vector<std::string_view> parts;
  for (size_t at; parts.size() + 1 < most && (at = text.find(separator)) != std::string_view::npos; text.remove_prefix(at + 1)) {
    parts.push_back(text.substr(0, at));
  }
  parts.push_back(text);
  return parts;
}

// Without empty pieces.
inline std::vector<std::string_view> SplitNonEmpty(std::string_view text, char separator) {
  std::vector<std::string_view> parts = Split(text, separator);
  std::erase_if(parts, [](std::string_view part) { return part.empty(); });
  return parts;
}

}  // namespace bk
