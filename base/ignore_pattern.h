// Lists of path patterns with negations: .dockerignore files, COPY --exclude, the filters of fsutil and contenthash.
//
// Patterns are shell-like with `**`; the last one that matches a path or one of its parents decides, `!` takes back. They
// mean what moby/patternmatcher makes of them, oddities included (a pattern becomes a regular expression in which `^` and
// `\d` keep their meaning). Matching compiles lazily, so a PatternMatcher belongs to one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace bk {

// The patterns of an ignore file, cleaned, without comments and leading slashes. InvalidArgument if a line is longer than
// the reference reads (65535 bytes).
absl::StatusOr<std::vector<std::string>> ReadIgnoreFile(std::string_view text);

class IgnorePattern {
 public:
  const std::string& text() const { return text_; }  // cleaned, without '!'
  bool exclusion() const { return exclusion_; }      // began with '!'
  // InvalidArgument("syntax error in pattern") if it makes no regular expression.
  absl::StatusOr<bool> Match(std::string_view path);

 private:
  friend class PatternMatcher;
  enum class Kind { kUnknown, kExact, kPrefix, kSuffix, kRegexp };
  absl::Status Compile();
  std::string text_;
  bool exclusion_ = false;
  Kind kind_ = Kind::kUnknown;
  std::string literal_;  // what every match starts with
  std::shared_ptr<const re2::RE2> regexp_;
};

class PatternMatcher {
 public:
  // Which patterns matched a directory; handed down to its children. Empty: nothing known.
  using ParentResults = std::vector<bool>;

  PatternMatcher() = default;
  // InvalidArgument for bad syntax. Blank patterns are left out.
  static absl::StatusOr<PatternMatcher> Create(std::span<const std::string> patterns);

  // Asks for one path, all its parents included.
  absl::StatusOr<bool> MatchesOrParentMatches(std::string_view path);
  // The same in a walk from the top: `results` receives what the children of `path` need.
  absl::StatusOr<bool> MatchesUsingParentResults(std::string_view path, const ParentResults& parent, ParentResults& results);

  bool has_exclusions() const { return has_exclusions_; }
  std::span<IgnorePattern> patterns() { return patterns_; }
  bool empty() const { return patterns_.empty(); }

 private:
  std::vector<IgnorePattern> patterns_;
  bool has_exclusions_ = false;
};

}  // namespace bk
