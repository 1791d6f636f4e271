#include "base/source_snippet.h"

#include <algorithm>
#include <cstdio>

#include "base/status.h"

namespace bk {
namespace {

constexpr char kRule[] = "--------------------\n";

}  // namespace

SourceLines::SourceLines(std::string filename, std::string_view text) : filename_(std::move(filename)) {
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines_.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  lines_.push_back(text);
}

std::string SourceLines::Snippet(std::span<const LineRange> ranges) const {
  if (ranges.empty()) return "";
  int count = static_cast<int>(lines_.size()), start = ranges[0].first, end = 0;
  for (const LineRange& r : ranges) {
    start = std::min(start, r.first);
    end = std::max(end, r.last);
  }
  if (start > count || start < 1) return "";
  end = std::min(end, count);
  std::string out = StrCat(filename_, ":", start, "\n", kRule);
  std::vector<bool> blamed(static_cast<size_t>(end - start) + 1);
  const int first_blamed = start;
  for (const LineRange& r : ranges) {
    for (int line = r.first; line <= std::min(r.last, end); line++) blamed[static_cast<size_t>(line - first_blamed)] = true;
  }
  int around = end == start ? 4 : 2;  // neighbours to show
  for (int shown = 0; shown < around; shown++) {
    if (start > 1) start--, shown++;
    if (end != count) end++, shown++;
  }
  for (int line = start; line <= end; line++) {
    auto at = static_cast<size_t>(line - first_blamed);
    bool marked = line >= first_blamed && at < blamed.size() && blamed[at];
    char number[16];
    std::snprintf(number, sizeof number, " %3d | ", line);
    out += StrCat(number, marked ? ">>>" : "   ", " ", lines_[static_cast<size_t>(line - 1)], "\n");
  }
  return out + kRule;
}

}  // namespace bk
