// Lines of a source text around those that a message speaks of, as clients show them:
//
//   Dockerfile:2
//   --------------------
//      1 |     FROM a
//      2 | >>> RUN b
//   --------------------
//
// The form is the reference's (solver/errdefs). Thread-safe (constant data).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk {

struct LineRange {
  int first = 0, last = 0;  // from 1; last ≥ first
};

// A text cut into lines, for many snippets of it.
class SourceLines {
 public:
  // `text` outlives this.
  SourceLines(std::string filename, std::string_view text);
  // "" if there are no ranges, or they lie outside of the text.
  std::string Snippet(std::span<const LineRange> ranges) const;

 private:
  std::string filename_;
  std::vector<std::string_view> lines_;
};

// Of one that is shown once.
inline std::string RenderSnippet(std::string filename, std::string_view text, std::span<const LineRange> ranges) {
  return SourceLines(std::move(filename), text).Snippet(ranges);
}

}  // namespace bk
