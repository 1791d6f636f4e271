#include "base/go_parse.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/unicode.h"

namespace bk {
namespace {

enum class NumberError { kNone, kSyntax, kRange };

NumberError ParseDigits(std::string_view text, int base, uint64_t max, uint64_t& value) {
  value = 0;
  if (text.empty()) return NumberError::kSyntax;
  bool overflow = false;
  for (char c : text) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
    if (digit >= base) return NumberError::kSyntax;
    uint64_t add = static_cast<uint64_t>(digit), by = static_cast<uint64_t>(base);
    if (value > (max - std::min(add, max)) / by) overflow = true;
    if (!overflow) value = value * by + add;
  }
  return overflow ? NumberError::kRange : NumberError::kNone;
}

absl::Status Failed(std::string_view function, std::string_view text, NumberError error) {
  return InvalidArgument("strconv.", function, ": parsing ", Quote(text), ": ",
                         error == NumberError::kSyntax ? "invalid syntax" : "value out of range");
}

std::optional<int64_t> UnitNs(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\xc2\xb5s" || unit == "\xce\xbcs") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit == "s") return 1'000'000'000;
  if (unit == "m") return 60'000'000'000;
  if (unit == "h") return 3'600'000'000'000;
  return std::nullopt;
}

size_t CountDigits(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') n++;
  return n;
}

// "1_000": underscores between digits, as Go's ParseFloat takes them. False if one stands elsewhere.
bool RemoveUnderscores(std::string& number) {
  auto digit = [&](size_t at) { return at < number.size() && number[at] >= '0' && number[at] <= '9'; };
  for (size_t at = 0; at < number.size(); at++) {
    if (number[at] == '_' && (at == 0 || !digit(at - 1) || !digit(at + 1))) return false;
  }
  std::erase(number, '_');
  return true;
}

}  // namespace

// Base 0: the prefix tells it (0x, 0o or 0, 0b), without one it is 10.
static int TakeBase(std::string_view& digits) {
  auto prefix = [&](const char* lower, const char* upper) { return digits.starts_with(lower) || digits.starts_with(upper); };
  int base = prefix("0x", "0X") ? 16 : prefix("0o", "0O") ? 8 : prefix("0b", "0B") ? 2 : 0;
  if (base != 0) digits.remove_prefix(2);
  return base != 0 ? base : digits.size() > 1 && digits[0] == '0' ? 8 : 10;
}

absl::StatusOr<int64_t> ParseInt(std::string_view text, int base, int bits) {
  std::string_view digits = text;
  bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (base == 0) base = TakeBase(digits);
  uint64_t limit = uint64_t{1} << (bits - 1), value = 0;
  NumberError error = ParseDigits(digits, base, negative ? limit : limit - 1, value);
  if (error != NumberError::kNone) return Failed("ParseInt", text, error);
  return negative ? static_cast<int64_t>(-value) : static_cast<int64_t>(value);
}

absl::StatusOr<uint64_t> ParseUint(std::string_view text, int base, int bits) {
  uint64_t max = bits == 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1, value = 0;
  NumberError error = ParseDigits(text, base, max, value);
  if (error != NumberError::kNone) return Failed("ParseUint", text, error);
  return value;
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return Failed("ParseBool", text, NumberError::kSyntax);
}

absl::StatusOr<int64_t> ParseDurationNs(std::string_view text) {
  auto invalid = [&] { return InvalidArgument("time: invalid duration ", Quote(text)); };
  std::string_view rest = text;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return invalid();
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  uint64_t total = 0;
  while (!rest.empty()) {
    size_t whole = CountDigits(rest);
    uint64_t value = 0;
    if (whole > 0 && ParseDigits(rest.substr(0, whole), 10, kLimit, value) != NumberError::kNone) return invalid();
    rest.remove_prefix(whole);
    double fraction = 0;
    size_t decimals = 0;
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      decimals = CountDigits(rest);
      fraction = decimals > 0 ? std::strtod(("0." + std::string(rest.substr(0, decimals))).c_str(), nullptr) : 0;
      rest.remove_prefix(decimals);
    }
    if (whole == 0 && decimals == 0) return invalid();
    size_t unit_size = 0;
    while (unit_size < rest.size() && rest[unit_size] != '.' && (rest[unit_size] < '0' || rest[unit_size] > '9')) unit_size++;
    if (unit_size == 0) return InvalidArgument("time: missing unit in duration ", Quote(text));
    std::string_view unit = rest.substr(0, unit_size);
    auto factor = UnitNs(unit);
    if (!factor) return InvalidArgument("time: unknown unit ", Quote(unit), " in duration ", Quote(text));
    rest.remove_prefix(unit_size);
    uint64_t scale = static_cast<uint64_t>(*factor);
    if (value > kLimit / scale) return invalid();
    value = value * scale + static_cast<uint64_t>(fraction * static_cast<double>(scale) + 1e-6);
    if (value > kLimit || total + value > kLimit) return invalid();
    total += value;
  }
  if (negative) return static_cast<int64_t>(-total);
  if (total > kLimit - 1) return invalid();
  return static_cast<int64_t>(total);
}

std::string FormatDuration(int64_t ns) {
  if (ns == 0) return "0s";
  uint64_t left = ns < 0 ? -static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  // `value` in units of 10^-digits, without trailing zeros.
  auto decimal = [](uint64_t value, int digits) {
    std::string fraction;
    for (int i = 0; i < digits; i++, value /= 10) {
      if (value % 10 != 0 || !fraction.empty()) fraction.insert(fraction.begin(), static_cast<char>('0' + value % 10));
    }
    return std::to_string(value) + (fraction.empty() ? "" : "." + fraction);
  };
  std::string out = ns < 0 ? "-" : "";
  if (left < 1'000) return out + std::to_string(left) + "ns";
  if (left < 1'000'000) return out + decimal(left, 3) + "\xc2\xb5s";
  if (left < 1'000'000'000) return out + decimal(left, 6) + "ms";
  constexpr uint64_t kMinute = 60'000'000'000, kHour = 60 * kMinute;
  if (left >= kHour) out += StrCat(left / kHour, "h");
  if (left >= kMinute) out += StrCat(left % kHour / kMinute, "m");
  return out + decimal(left % kMinute, 9) + "s";
}

absl::StatusOr<int64_t> ParseMemoryBytes(std::string_view text) {
  size_t last = text.find_last_of("0123456789. ");
  auto invalid = [&] { return InvalidArgument("invalid size: '", text, "'"); };
  if (last == std::string_view::npos) return invalid();
  std::string number(text.substr(0, text[last] == ' ' ? last : last + 1));
  std::string suffix = ToLower(text.substr(last + 1));
  std::string written = number;
  bool plain = RemoveUnderscores(number) && number.find_first_not_of("0123456789.eE+-") == std::string::npos;
  char* end = nullptr;
  double size = std::strtod(number.c_str(), &end);
  if (number.empty() || !plain || *end != 0) return Failed("ParseFloat", written, NumberError::kSyntax);
  if (size < 0) return invalid();
  if (!suffix.empty() && suffix != "b") {
    size_t power = std::string_view("kmgtp").find(suffix[0]);
    std::string_view tail = std::string_view(suffix).substr(1);
    if (power == std::string_view::npos || (!tail.empty() && tail != "b" && tail != "ib")) {
      return InvalidArgument("invalid suffix: '", suffix, "'");
    }
    size = std::ldexp(size, static_cast<int>(10 * (power + 1)));
  }
  if (size >= 9223372036854775808.0) return std::numeric_limits<int64_t>::min();  // what Go's conversion gives on amd64
  return static_cast<int64_t>(size);
}

absl::StatusOr<std::vector<std::string>> ParseCsvLine(std::string_view line) {
  size_t total = line.size();
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  if (line.empty()) return InvalidArgument("EOF");
  total = line.size();
  auto fail = [&](size_t position, std::string_view what) {
    return InvalidArgument("parse error on line 1, column ", position + 1, ": ", what);
  };
  auto position = [&] { return total - line.size(); };
  constexpr std::string_view kBadQuote = "extraneous or missing \" in quoted-field";
  std::vector<std::string> fields;
  while (true) {
    if (!line.starts_with('"')) {
      size_t comma = line.find(',');
      std::string_view field = line.substr(0, comma);
      if (size_t quote = field.find('"'); quote != std::string_view::npos) {
        return fail(position() + quote, "bare \" in non-quoted-field");
      }
      fields.emplace_back(field);
      if (comma == std::string_view::npos) return fields;
      line.remove_prefix(comma + 1);
      continue;
    }
    line.remove_prefix(1);
    std::string field;
    while (true) {
      size_t quote = line.find('"');
      if (quote == std::string_view::npos) return fail(position(), kBadQuote);
      field += line.substr(0, quote);
      line.remove_prefix(quote + 1);
      if (!line.starts_with('"')) break;
      field += '"';
      line.remove_prefix(1);
    }
    fields.push_back(std::move(field));
    if (line.empty()) return fields;
    if (!line.starts_with(',')) return fail(position() - 1, kBadQuote);
    line.remove_prefix(1);
  }
}

}  // namespace bk
