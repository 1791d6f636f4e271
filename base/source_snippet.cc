#include "base/source_snippet.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

#include "base/status.h"

namespace bk {
namespace {

constexpr char kRule[] = "--------------------\n";

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  lines.push_back(text);
  return lines;
}

}  // namespace

std::string RenderSnippet(std::string_view filename, std::string_view text, std::span<const LineRange> ranges) {
  if (ranges.empty()) return "";
  std::vector<std::string_view> lines = Lines(text);
  int count = static_cast<int>(lines.size()), start = ranges[0].first, end = 0;
  for (const LineRange& r : ranges) {
    start = std::min(start, r.first);
    end = std::max(end, r.last);
  }
  if (start > count || start < 1) return "";
  end = std::min(end, count);
  std::string out = StrCat(filename, ":", start, "\n", kRule);
  int around = end == start ? 4 : 2;  // neighbours to show
  for (int shown = 0; shown < around; shown++) {
    if (start > 1) start--, shown++;
    if (end != count) end++, shown++;
  }
  std::vector<int> edges(lines.size() + 2);  // +1 where a range begins, -1 behind its end
  for (const LineRange& r : ranges) {
    if (r.first > count) continue;
    edges[static_cast<size_t>(r.first)]++;
    edges[static_cast<size_t>(std::min(r.last, count)) + 1]--;
  }
  int blamed = std::accumulate(edges.begin(), edges.begin() + start, 0);
  for (int line = start; line <= end; line++) {
    blamed += edges[static_cast<size_t>(line)];
    char number[16];
    std::snprintf(number, sizeof number, " %3d | ", line);
    out += StrCat(number, blamed > 0 ? ">>>" : "   ", " ", lines[static_cast<size_t>(line - 1)], "\n");
  }
  return out + kRule;
}

}  // namespace bk
