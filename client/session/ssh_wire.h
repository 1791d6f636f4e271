// Texts and numbers as ssh's protocols write them (RFC 4251, section 5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::client {

// Takes values off the front; what is missing or too long gives false.
class SshReader {
 public:
  explicit SshReader(std::string_view bytes) : rest_(bytes) {}
  bool Number(uint32_t& out) {
    if (rest_.size() < 4) return false;
    out = 0;
    for (int i = 0; i < 4; i++) out = out << 8 | static_cast<unsigned char>(rest_[static_cast<size_t>(i)]);
    rest_.remove_prefix(4);
    return true;
  }
  bool Text(std::string_view& out) {
    uint32_t size = 0;
    if (!Number(size) || size > rest_.size()) return false;
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

inline std::string SshNumber(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline std::string SshText(std::string_view text) { return SshNumber(static_cast<uint32_t>(text.size())).append(text); }
// A positive number, big end first.
inline std::string SshInteger(std::string_view bytes) {
  while (!bytes.empty() && bytes[0] == '\0') bytes.remove_prefix(1);
  bool high = !bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80) != 0;
  return SshText((high ? std::string(1, '\0') : "") + std::string(bytes));
}

}  // namespace bk::client
