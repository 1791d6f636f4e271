// Ignore files: patterns, then after a zero byte a path. Asking for the path and walking down to it give the same answer;
// with exceptions they need not: a walk passes over an exception while nothing is left out yet, and does not come back to
// it for what lies below, as in the reference.
#include <algorithm>

#include "base/ignore_pattern.h"
#include "base/path.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  auto parts = fuzz::Parts(fuzz::Text(data, size), '\0', 2);
  auto patterns = ReadIgnoreFile(parts[0]);
  if (!patterns.ok() || patterns->size() > 50 || parts.size() < 2 || parts[1].size() > 200) return 0;
  auto matcher = PatternMatcher::Create(*patterns);
  if (!matcher.ok()) return 0;
  std::string path = CleanPath(parts[1]);
  if (path.starts_with('/') || path.starts_with("..") || path == ".") return 0;
  auto asked = matcher->MatchesOrParentMatches(path);
  PatternMatcher::ParentResults above, own;
  absl::StatusOr<bool> walked = false;
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    own.clear();
    walked = matcher->MatchesUsingParentResults(path.substr(0, end), above, own);
    if (!walked.ok()) return 0;
    above = own;
    at = end + 1;
  }
  bool exceptions = std::any_of(patterns->begin(), patterns->end(), [](const std::string& pattern) { return pattern.starts_with('!'); });
  if (asked.ok() && !exceptions) fuzz::Require(*asked == *walked, "a walk and a question agree", path);
  return 0;
}
