// Text of strangers on a terminal: what it is wide, and what of it may be shown. Pure.
//
// Step names, log lines and warnings come from Dockerfiles and from the programs that a build runs. On a terminal their
// control characters and escape sequences are taken out: they could move the cursor, rename the window or hide a line.
#pragma once

#include <string>
#include <string_view>

#include "base/unicode.h"

namespace bk::client {

// Columns that a rune takes: 0 (combining), 1 or 2 (East Asian wide, emoji).
int Columns(Rune rune);
int Columns(std::string_view text);
// `left` and `right` at the two edges of a line of `width`; at least one space between them. As in the reference, `left`
// counts by code points and `right` by bytes, whatever their columns are.
std::string Align(std::string_view left, std::string_view right, int width);

// Runes that steer: C0, DEL, C1 and the bidirectional controls.
bool IsControl(Rune rune);
// True if `text` is the start of a UTF-8 sequence whose end may come later.
bool IsUnfinishedRune(std::string_view text);

// Passes over escape sequences, rune by rune; keeps its place between calls. A sequence of another kind than CSI ends at
// the end of a line at the latest.
class EscapeFilter {
 public:
  enum class Kind {
    kText,     // a rune to show, or a control character outside of sequences
    kInside,   // part of a sequence
    kCommand,  // the last rune of ESC x or of a CSI sequence: `arguments()` belongs to it
  };
  Kind Next(Rune rune);
  const std::string& arguments() const { return arguments_; }

 private:
  enum class State { kText, kEscape, kIntermediate, kCsi, kString, kStringEscape };
  State state_ = State::kText;
  std::string arguments_;
};

// Without escape sequences and control characters but tabs and newlines; carriage returns become spaces, bytes that are no
// UTF-8 U+FFFD.
std::string Harmless(std::string_view text);

}  // namespace bk::client
