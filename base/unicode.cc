#include "base/unicode.h"

#include <utf8proc.h>

namespace bk {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

template <typename F>
std::string MapRunes(std::string_view text, F&& map) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    DecodedRune d = DecodeRune(text);
    AppendRune(out, map(d.rune));
    text.remove_prefix(d.width);
  }
  return out;
}

Rune LowerRune(Rune r) { return r < 0x80 ? (r >= 'A' && r <= 'Z' ? r + 32 : r) : utf8proc_tolower(r); }
Rune UpperRune(Rune r) { return r < 0x80 ? (r >= 'a' && r <= 'z' ? r - 32 : r) : utf8proc_toupper(r); }

}  // namespace

DecodedRune DecodeRune(std::string_view text) {
  if (text.empty()) return {kRuneError, 0};
  auto byte = [&](size_t k) { return static_cast<uint8_t>(text[k]); };
  uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size == 0 || first > 0xf4 || size > text.size()) return {kRuneError, 1};
  Rune rune = first & (0xff >> (size + 1));
  for (size_t k = 1; k < size; k++) {
    if ((byte(k) & 0xc0) != 0x80) return {kRuneError, 1};
    rune = rune << 6 | (byte(k) & 0x3f);
  }
  static constexpr Rune kMin[] = {0, 0, 0x80, 0x800, 0x10000};
  if (rune < kMin[size] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)) return {kRuneError, 1};
  return {rune, size};
}

void AppendRune(std::string& out, Rune r) {
  if (r < 0 || r > 0x10ffff || (r >= 0xd800 && r <= 0xdfff)) r = kRuneError;
  if (r < 0x80) {
    out += static_cast<char>(r);
    return;
  }
  int more = r < 0x800 ? 1 : r < 0x10000 ? 2 : 3;
  static constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLead[more] | r >> (6 * more));
  while (more-- > 0) out += static_cast<char>(0x80 | (r >> (6 * more) & 0x3f));
}

std::string RuneToString(Rune rune) {
  std::string out;
  AppendRune(out, rune);
  return out;
}

std::vector<Rune> Runes(std::string_view text) {
  std::vector<Rune> out;
  out.reserve(text.size());
  while (!text.empty()) {
    DecodedRune d = DecodeRune(text);
    out.push_back(d.rune);
    text.remove_prefix(d.width);
  }
  return out;
}

std::string ValidUtf8(std::string_view text) {
  return MapRunes(text, [](Rune r) { return r; });
}

bool IsSpace(Rune r) {
  if (r < 0x100) return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xa0;
  return r == 0x1680 || (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000;
}

bool IsLetter(Rune r) {
  if (r < 0x80) return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z');
  auto category = utf8proc_category(r);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDigit(Rune r) {
  if (r < 0x80) return r >= '0' && r <= '9';
  return utf8proc_category(r) == UTF8PROC_CATEGORY_ND;
}

bool IsPrint(Rune r) {
  if (r < 0x80) return r >= ' ' && r < 0x7f;
  auto category = utf8proc_category(r);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_SO;
}

std::string_view TrimLeftSpace(std::string_view text) {
  while (!text.empty()) {
    DecodedRune d = DecodeRune(text);
    if (!IsSpace(d.rune)) break;
    text.remove_prefix(d.width);
  }
  return text;
}

std::string_view TrimSpace(std::string_view text) {
  text = TrimLeftSpace(text);
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) start--;
    DecodedRune d = DecodeRune(text.substr(start));
    if (start + d.width != text.size() || !IsSpace(d.rune)) break;
    text.remove_suffix(d.width);
  }
  return text;
}

std::string ToLower(std::string_view text) { return MapRunes(text, LowerRune); }
std::string ToUpper(std::string_view text) { return MapRunes(text, UpperRune); }

bool EqualFold(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    DecodedRune x = DecodeRune(a), y = DecodeRune(b);
    if (x.rune != y.rune && LowerRune(UpperRune(x.rune)) != LowerRune(UpperRune(y.rune))) return false;
    a.remove_prefix(x.width);
    b.remove_prefix(y.width);
  }
  return a.empty() && b.empty();
}

RuneScanner::RuneScanner(std::string_view text) : rest_(text) {
  if (rest_.substr(0, kByteOrderMark.size()) == kByteOrderMark) rest_.remove_prefix(kByteOrderMark.size());
  current_ = rest_.empty() ? DecodedRune{kRuneEnd, 0} : DecodeRune(rest_);
}

Rune RuneScanner::Next() {
  Rune result = current_.rune;
  rest_.remove_prefix(current_.width);
  current_ = rest_.empty() ? DecodedRune{kRuneEnd, 0} : DecodeRune(rest_);
  return result;
}

}  // namespace bk
