// Runes and text classes as Go's unicode, utf8 and strings packages see them.
//
// Texts that users write (Dockerfiles, ignore files) are read rune by rune by the reference; a byte that is no UTF-8 counts
// as one U+FFFD of width 1. Thread-safe (pure functions); a RuneScanner belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

using Rune = int32_t;
inline constexpr Rune kRuneError = 0xfffd;
inline constexpr Rune kRuneEnd = -1;

struct DecodedRune {
  Rune rune;     // kRuneError for a byte that starts no sequence
  size_t width;  // bytes; 0 only for empty text
};
DecodedRune DecodeRune(std::string_view text);
// Values that are no code point (kRuneEnd too) become U+FFFD.
void AppendRune(std::string& out, Rune rune);
std::string RuneToString(Rune rune);
std::vector<Rune> Runes(std::string_view text);
// Each byte that is no UTF-8 replaced by U+FFFD.
std::string ValidUtf8(std::string_view text);

bool IsSpace(Rune rune);   // unicode.IsSpace
bool IsLetter(Rune rune);  // category L
bool IsDigit(Rune rune);   // category Nd
bool IsPrint(Rune rune);   // strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space

std::string_view TrimSpace(std::string_view text);
std::string_view TrimLeftSpace(std::string_view text);
std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);
bool EqualFold(std::string_view a, std::string_view b);

// Reads runes with one of look-ahead; a byte-order mark at the very start is passed over (Go's text/scanner).
class RuneScanner {
 public:
  explicit RuneScanner(std::string_view text);
  Rune Peek() const { return current_.rune; }
  // The current rune, kRuneEnd at the end.
  Rune Next();

 private:
  std::string_view rest_;  // begins with the current rune
  DecodedRune current_;
};

}  // namespace bk
