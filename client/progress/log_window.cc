#include "client/progress/log_window.h"

#include <algorithm>

#include "base/go_parse.h"

namespace bk::client {
namespace {

constexpr int kMinWidth = 6;
constexpr size_t kMaxCellBytes = 16;  // a rune and a few marks
constexpr int kMaxMove = 1 << 16;

bool IsBlank(const std::string& cell) { return cell == " " || cell.empty(); }

}  // namespace

LogWindow::LogWindow(int height, int width) : height_(std::max(height, 1)), width_(std::max(width, kMinWidth)) {}

void LogWindow::Write(std::string_view bytes) {
  if (bytes.empty()) return;
  if (rows_.empty()) rows_.assign(static_cast<size_t>(height_), Row(static_cast<size_t>(width_), " "));
  std::string joined;
  if (!unread_.empty()) {
    joined = unread_ + std::string(bytes);
    bytes = joined;
    unread_.clear();
  }
  while (!bytes.empty()) {
    DecodedRune next = DecodeRune(bytes);
    if (next.rune == kRuneError && next.width == 1 && IsUnfinishedRune(bytes)) {
      unread_ = bytes;
      return;
    }
    bytes.remove_prefix(next.width);
    EscapeFilter::Kind kind = filter_.Next(next.rune);
    if (kind == EscapeFilter::Kind::kCommand) {
      Command(next.rune);
    } else if (kind == EscapeFilter::Kind::kText) {
      IsControl(next.rune) ? Control(next.rune) : Put(next.rune);
    }
  }
}

void LogWindow::Resize(int height, int width) {
  height_ = std::max(height, 1);
  width_ = std::max(width, kMinWidth);
  if (rows_.empty()) return;
  rows_.resize(static_cast<size_t>(height_), Row(static_cast<size_t>(width_), " "));
  for (Row& row : rows_) {
    row.resize(static_cast<size_t>(width_), " ");
    if (Columns(row.back()) > 1) row.back() = " ";  // its right half is gone
  }
}

int LogWindow::UsedHeight() const {
  return static_cast<int>(std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return !std::all_of(row.begin(), row.end(), IsBlank); }));
}

std::vector<std::string> LogWindow::Lines() const {
  std::vector<std::string> lines;
  for (const Row& row : rows_) {
    if (std::all_of(row.begin(), row.end(), IsBlank)) continue;
    std::string& line = lines.emplace_back();
    for (size_t at = 0; at < row.size(); at++) {
      bool wide = Columns(row[at]) > 1;
      if (row[at].empty() || (wide && (at + 1 == row.size() || !row[at + 1].empty()))) {
        line += ' ';  // half a rune: the other one was overwritten
      } else {
        line += row[at];
        if (wide) at++;
      }
    }
  }
  return lines;
}

void LogWindow::ScrollToCursor() {
  if (cursor_.column >= width_) cursor_ = {cursor_.row + 1, 0};
  if (cursor_.row < height_) return;
  std::rotate(rows_.begin(), rows_.begin() + 1, rows_.end());
  rows_.back().assign(static_cast<size_t>(width_), " ");
  cursor_.row = height_ - 1;
}

void LogWindow::Put(Rune rune) {
  int columns = Columns(rune);
  if (columns == 0) {
    if (cursor_.column == 0 || cursor_.column > width_ || cursor_.row >= height_) return;
    Row& row = rows_[static_cast<size_t>(cursor_.row)];
    size_t cell = static_cast<size_t>(cursor_.column - 1);
    if (row[cell].empty() && cell > 0) cell--;
    if (row[cell].size() < kMaxCellBytes) AppendRune(row[cell], rune);
    return;
  }
  if (columns == 2 && cursor_.column == width_ - 1) cursor_.column = width_;
  ScrollToCursor();
  Row& row = rows_[static_cast<size_t>(cursor_.row)];
  size_t at = static_cast<size_t>(cursor_.column);
  if (row[at].empty() && at > 0) row[at - 1] = " ";
  row[at] = RuneToString(rune);
  if (columns == 2) row[at + 1].clear();
  size_t after = at + static_cast<size_t>(columns);
  if (after < row.size() && row[after].empty()) row[after] = " ";
  cursor_.column += columns;
  if (cursor_.column >= width_) cursor_ = {cursor_.row + 1, 0};
}

void LogWindow::Control(Rune rune) {
  if (rune == '\n') {
    if (cursor_.row < kMaxMove) cursor_.row++;
    cursor_.column = 0;
  } else if (rune == '\r') {
    cursor_.column = 0;
  } else if (rune == '\b') {
    if (--cursor_.column >= 0) return;
    cursor_ = cursor_.row == 0 ? Place{} : Place{cursor_.row - 1, width_ - 1};
  }
}

std::vector<int> LogWindow::Numbers() const {
  std::vector<int> numbers;
  std::string_view rest = filter_.arguments();
  while (!rest.empty()) {
    size_t end = std::min(rest.find(';'), rest.size());
    auto number = ParseInt(rest.substr(0, end));
    numbers.push_back(number.ok() ? static_cast<int>(std::clamp<int64_t>(*number, -kMaxMove, kMaxMove)) : 0);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return numbers;
}

void LogWindow::Command(Rune rune) {
  std::vector<int> numbers = Numbers();
  int first = numbers.empty() ? 1 : numbers[0];
  switch (rune) {
    case 's':
    case '7': saved_ = cursor_; return;
    case 'u':
    case '8': cursor_ = saved_; return;
    case 'A': return MoveTo(cursor_.row - first, cursor_.column);
    case 'B': return MoveTo(cursor_.row + first, cursor_.column);
    case 'C': return MoveTo(cursor_.row, cursor_.column + first);
    case 'D': return MoveTo(cursor_.row, cursor_.column - first);
    case 'H':
    case 'f': return numbers.size() < 2 ? MoveTo(0, 0) : MoveTo(numbers[0] - 1, numbers[1] - 1);
    case 'K': return EraseLine(numbers.empty() ? 0 : first);
    case 'J': return EraseScreen(numbers.empty() ? 0 : first);
    default: return;
  }
}

void LogWindow::MoveTo(int row, int column) { cursor_ = {std::clamp(row, 0, height_ - 1), std::clamp(column, 0, width_ - 1)}; }

void LogWindow::Erase(Place from, Place to) {
  for (int row = from.row; row <= to.row && row < height_; row++) {
    for (int column = from.column; column <= to.column && column < width_; column++) rows_[static_cast<size_t>(row)][static_cast<size_t>(column)] = " ";
  }
}

// 0: from the cursor on, 1: up to the cursor, 2: all.
void LogWindow::EraseLine(int direction) {
  int row = cursor_.row;
  if (direction == 0) Erase({row, cursor_.column}, {row, width_ - 1});
  if (direction == 1) Erase({row, 0}, {row, cursor_.column});
  if (direction == 2) Erase({row, 0}, {row, width_ - 1});
}

// Always whole rows.
void LogWindow::EraseScreen(int direction) {
  if (direction == 0) Erase({cursor_.row, 0}, {height_ - 1, width_ - 1});
  if (direction == 1) Erase({0, 0}, {cursor_.row, width_ - 1});
  if (direction == 2) Erase({0, 0}, {height_ - 1, width_ - 1});
}

}  // namespace bk::client
