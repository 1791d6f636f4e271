#include "base/tab_writer.h"

#include <algorithm>
#include <utility>

namespace bk {

void TabWriter::Write(std::string_view text) {
  for (char c : text) {
    if (c == '\n' || c == '\f') {
      lines_.emplace_back(1);
      if (c == '\n') continue;
      Format(0, lines_.size());
      lines_.assign(1, Line(1));
    } else if (c == '\t' || c == '\v') {
      lines_.back().emplace_back();
    } else {
      Cell& cell = lines_.back().back();
      cell.text += c;
      cell.width += (c & 0xc0) != 0x80;  // not a continuation byte of UTF-8
    }
  }
}

std::string TabWriter::Flush() {
  Format(0, lines_.size());
  lines_.assign(1, Line(1));
  return std::exchange(out_, {});
}

// Lines [first, last) from column widths_.size() on.
void TabWriter::Format(size_t first, size_t last) {
  size_t column = widths_.size();
  for (size_t i = first; i < last; i++) {
    if (column + 1 >= lines_[i].size()) continue;
    WriteLines(first, i);
    first = i;
    int width = style_.min_width;
    for (; i < last && column + 1 < lines_[i].size(); i++) width = std::max(width, lines_[i][column].width + style_.padding);
    widths_.push_back(width);
    Format(first, i);
    widths_.pop_back();
    first = i;
  }
  WriteLines(first, last);
}

void TabWriter::WriteLines(size_t first, size_t last) {
  for (size_t i = first; i < last; i++) {
    for (size_t column = 0; column < lines_[i].size(); column++) {
      const Cell& cell = lines_[i][column];
      out_ += cell.text;
      if (column < widths_.size()) Pad(cell.width, widths_[column]);
    }
    if (i + 1 < lines_.size()) out_ += '\n';
  }
}

void TabWriter::Pad(int text_width, int cell_width) {
  if (style_.fill != '\t') {
    out_.append(static_cast<size_t>(std::max(0, cell_width - text_width)), style_.fill);
    return;
  }
  int tab = style_.tab_width;
  int rounded = (cell_width + tab - 1) / tab * tab;
  out_.append(static_cast<size_t>((rounded - text_width + tab - 1) / tab), '\t');
}

}  // namespace bk
