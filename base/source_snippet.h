// Lines of a source text around those that a message speaks of, as clients show them:
//
//   Dockerfile:2
//   --------------------
//      1 |     FROM a
//      2 | >>> RUN b
//   --------------------
//
// The form is the reference's (solver/errdefs). Thread-safe (pure function).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bk {

struct LineRange {
  int first = 0, last = 0;  // from 1; last ≥ first
};

// "" if there are no ranges, or they lie outside of the text.
std::string RenderSnippet(std::string_view filename, std::string_view text, std::span<const LineRange> ranges);

}  // namespace bk
