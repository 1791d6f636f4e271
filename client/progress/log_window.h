// The last lines of a running step's output as a small terminal shows them: what programs draw with carriage returns,
// cursor movements and erasures looks as they mean it, and nothing of it reaches the real terminal.
//
// Understands printable runes, \b \r \n, CSI A B C D H f J K m s u and ESC 7 8; everything else is passed over. Rows are
// made when the first byte comes. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/progress/text.h"

namespace bk::client {

class LogWindow {
 public:
  LogWindow(int height, int width);

  void Write(std::string_view bytes);
  // A smaller window loses its bottom rows and right columns.
  void Resize(int height, int width);
  int height() const { return height_; }
  // Rows that are not blank.
  int UsedHeight() const;
  // The rows that are not blank, each as wide as the window.
  std::vector<std::string> Lines() const;

 private:
  struct Place {
    int row = 0, column = 0;
  };
  using Row = std::vector<std::string>;  // a cell: a rune with its marks; empty: covered by the wide rune to its left
  void Put(Rune rune);
  void Control(Rune rune);
  void Command(Rune rune);
  void MoveTo(int row, int column);
  void Erase(Place from, Place to);
  void EraseLine(int direction);
  void EraseScreen(int direction);
  void ScrollToCursor();
  std::vector<int> Numbers() const;

  int height_, width_;
  std::vector<Row> rows_;
  Place cursor_, saved_;
  EscapeFilter filter_;
  std::string unread_;  // the start of a UTF-8 sequence
};

}  // namespace bk::client
