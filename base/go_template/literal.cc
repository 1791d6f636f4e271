#include "base/go_template/literal.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/unicode.h"

namespace bk::go_template {
namespace {

absl::Status BadSyntax() { return InvalidArgument("invalid syntax"); }

// The digits of \x, \u, \U and \ooo.
bool TakeNumber(std::string_view& text, size_t digits, int base, uint32_t& out) {
  if (text.size() < digits) return false;
  auto read = std::from_chars(text.data(), text.data() + digits, out, base);
  bool good = read.ec == std::errc() && read.ptr == text.data() + digits;
  text.remove_prefix(digits);
  return good;
}

// `text` begins behind the backslash.
absl::Status Escape(std::string_view& text, char quote, std::string& out) {
  if (text.empty()) return BadSyntax();
  char c = text[0];
  constexpr std::string_view kLetters = "abfnrtv", kBytes = "\a\b\f\n\r\t\v";
  if (size_t at = kLetters.find(c); at != std::string_view::npos) {
    out += kBytes[at];
    text.remove_prefix(1);
    return absl::OkStatus();
  }
  uint32_t number = 0;
  if (c == '\\' || c == quote) {
    out += c;
    text.remove_prefix(1);
    return absl::OkStatus();
  }
  if (c >= '0' && c <= '7') {
    if (!TakeNumber(text, 3, 8, number) || number > 255) return BadSyntax();
    out += static_cast<char>(number);
    return absl::OkStatus();
  }
  text.remove_prefix(1);
  if (c == 'x') {
    if (!TakeNumber(text, 2, 16, number)) return BadSyntax();
    out += static_cast<char>(number);
    return absl::OkStatus();
  }
  if (c != 'u' && c != 'U') return BadSyntax();
  bool surrogate = false;
  if (!TakeNumber(text, c == 'u' ? 4 : 8, 16, number) || number > 0x10ffff) return BadSyntax();
  surrogate = number >= 0xd800 && number < 0xe000;
  if (surrogate) return BadSyntax();
  AppendRune(out, static_cast<Rune>(number));
  return absl::OkStatus();
}

// The magnitude with base prefix and underscores; false: no whole number of 64 bits.
bool ParseWhole(std::string_view text, uint64_t& out) {
  std::string digits;
  for (char c : text) {
    if (c != '_') digits += c;
  }
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    char mark = static_cast<char>(digits[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    digits.erase(0, mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  return read.ec == std::errc() && read.ptr == digits.data() + digits.size() && !digits.empty();
}

}  // namespace

absl::StatusOr<std::string> Unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != literal.back()) return BadSyntax();
  char quote = literal.front();
  std::string_view text = literal.substr(1, literal.size() - 2);
  std::string out;
  if (quote == '`') {
    for (char c : text) {
      if (c != '\r') out += c;
    }
    return out;
  }
  while (!text.empty()) {
    if (text[0] == quote || text[0] == '\n') return BadSyntax();
    if (text[0] == '\\') {
      text.remove_prefix(1);
      BK_RETURN_IF_ERROR(Escape(text, quote, out));
    } else {
      size_t width = DecodeRune(text).width;
      out += text.substr(0, width);
      text.remove_prefix(width);
    }
  }
  return out;
}

absl::StatusOr<Value> ParseRune(std::string_view text) {
  auto unquoted = Unquote(text);
  if (!unquoted.ok()) return unquoted.status();
  DecodedRune rune = DecodeRune(*unquoted);
  bool one = rune.width == unquoted->size() && !unquoted->empty();
  if (!one) return InvalidArgument("malformed character constant: ", text);
  bool byte = unquoted->size() == 1;  // '\xff' is 255
  return Value::Int(byte ? static_cast<unsigned char>((*unquoted)[0]) : rune.rune);
}

absl::StatusOr<Value> ParseNumber(std::string_view text) {
  if (text.ends_with('i')) return InvalidArgument("complex numbers are not built");
  bool negative = text.starts_with('-');
  std::string_view magnitude = text.substr(negative || text.starts_with('+') ? 1 : 0);
  uint64_t whole = 0;
  if (ParseWhole(magnitude, whole)) {
    if (negative && whole <= uint64_t{1} << 63) return Value::Int(static_cast<int64_t>(uint64_t{0} - whole));
    if (!negative && whole <= INT64_MAX) return Value::Int(static_cast<int64_t>(whole));
    if (!negative) return Value();  // a uint, which no function takes
  }
  std::string plain;
  for (char c : text) {
    if (c != '_') plain += c;
  }
  char* end = nullptr;
  double real = std::strtod(plain.c_str(), &end);
  bool good = !plain.empty() && *end == '\0' && std::isfinite(real);
  if (!good) return InvalidArgument("illegal number syntax: ", Quote(text));
  if (text.find_first_of(".eEpP") == std::string_view::npos) return InvalidArgument("integer overflow: ", Quote(text));
  return Value::Float(real);
}

}  // namespace bk::go_template
