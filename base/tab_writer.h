// Columns aligned with tabs or spaces, as Go's text/tabwriter aligns them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk {

class TabWriter {
 public:
  struct Style {
    int min_width = 1;
    int tab_width = 8;
    int padding = 1;
    char fill = '\t';
  };
  TabWriter() = default;
  explicit TabWriter(Style style) : style_(style) {}

  // Cells end with a tab (or \v); the last cell of a line is no part of a column. Columns begin anew after \f.
  void Write(std::string_view text);
  // The aligned text so far; columns begin anew.
  std::string Flush();

 private:
  struct Cell {
    std::string text;
    int width = 0;  // code points
  };
  using Line = std::vector<Cell>;
  void Format(size_t first, size_t last);
  void WriteLines(size_t first, size_t last);
  void Pad(int text_width, int cell_width);
  Style style_;
  std::vector<Line> lines_{Line(1)};
  std::vector<int> widths_;
  std::string out_;
};

}  // namespace bk
