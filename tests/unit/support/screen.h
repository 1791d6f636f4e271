// The screen of a terminal that is fed bytes: what a user would see of them, and what scrolled away. Test support.
//
// A newline implies a carriage return; a full row wraps when the next rune comes. Understands CSI A B G and ignores other
// CSI sequences. A rune is one cell.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/unicode.h"

namespace bk::testing {

class Screen {
 public:
  Screen(int columns, int rows) : columns_(columns), rows_(rows), lines_(1) {}

  void Feed(std::string_view bytes) {
    for (size_t at = 0; at < bytes.size();) {
      DecodedRune next = DecodeRune(bytes.substr(at));
      at += next.width;
      if (next.rune == 0x1b && at < bytes.size() && bytes[at] == '[') {
        size_t end = bytes.find_first_not_of("0123456789;?", at + 1);
        if (end == std::string_view::npos) return;
        Command(bytes[end], std::atoi(std::string(bytes.substr(at + 1, end - at - 1)).c_str()));
        at = end + 1;
      } else if (next.rune == '\n') {
        column_ = 0;
        row_++;
        Grow();
      } else if (next.rune == '\r') {
        column_ = 0;
      } else {
        Put(next.rune);
      }
    }
  }
  // Right-trimmed, without blank rows at the end.
  std::vector<std::string> Rows() const { return Texts(top_, lines_.size()); }
  std::vector<std::string> ScrolledOff() const { return Texts(0, top_); }

 private:
  void Put(Rune rune) {
    if (column_ >= columns_) {
      column_ = 0;
      row_++;
      Grow();
    }
    auto& line = lines_[row_];
    if (line.size() <= static_cast<size_t>(column_)) line.resize(static_cast<size_t>(column_) + 1, ' ');
    line[static_cast<size_t>(column_++)] = rune;
  }
  void Command(char command, int number) {
    if (command == 'A') row_ = row_ - top_ > static_cast<size_t>(number) ? row_ - static_cast<size_t>(number) : top_;
    if (command == 'B') row_ = std::min(row_ + static_cast<size_t>(number), top_ + static_cast<size_t>(rows_) - 1);
    if (command == 'G') column_ = std::max(number - 1, 0);
    Grow();
  }
  void Grow() {
    if (row_ >= lines_.size()) lines_.resize(row_ + 1);
    if (row_ >= top_ + static_cast<size_t>(rows_)) top_ = row_ + 1 - static_cast<size_t>(rows_);
  }
  std::vector<std::string> Texts(size_t from, size_t to) const {
    std::vector<std::string> texts;
    for (size_t row = from; row < to; row++) {
      std::string& text = texts.emplace_back();
      for (Rune rune : lines_[row]) AppendRune(text, rune);
      text.erase(text.find_last_not_of(' ') + 1);
    }
    while (!texts.empty() && texts.back().empty()) texts.pop_back();
    return texts;
  }

  const int columns_, rows_;
  std::vector<std::vector<Rune>> lines_;
  size_t top_ = 0, row_ = 0;
  int column_ = 0;
};

}  // namespace bk::testing
