#include "base/ignore_pattern.h"

#include <re2/re2.h>

#include "base/glob.h"
#include "base/path.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr size_t kMaxLine = 65535;  // Go's bufio.MaxScanTokenSize - 1
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
// Plain in a pattern, though special in a regular expression. `|`, `{` and `}` keep their meaning there: the reference
// means to escape them and does not.
constexpr std::string_view kEscaped = ".+()$";

absl::Status BadPattern() { return InvalidArgument("syntax error in pattern"); }

// A pattern as a regular expression, and what can be said without running it.
struct Translated {
  std::string regexp = "^";
  bool is_regexp = false, is_prefix = false, is_suffix = false;
};

// `**`, already taken: any number of path elements, or all that is left.
void AppendDoubleStar(RuneScanner& scan, bool at_start, Translated& out) {
  if (scan.Peek() == '/') scan.Next();
  if (scan.Peek() == kRuneEnd) {
    if (!out.is_regexp && !out.is_suffix) {
      out.is_prefix = true;
    } else {
      out.regexp += ".*";
      out.is_regexp = true;
      out.is_suffix = false;
    }
  } else {
    out.regexp += "(.*/)?";
    out.is_regexp = true;
    out.is_suffix = false;
  }
  if (at_start) {
    out.is_suffix = true;
    out.is_prefix = out.is_regexp = false;
  }
}

Translated Translate(std::string_view pattern) {
  Translated out;
  auto special = [&](std::string_view piece) {
    out.regexp += piece;
    out.is_regexp = true;
    out.is_suffix = false;
  };
  RuneScanner scan(pattern);
  for (bool at_start = true; scan.Peek() != kRuneEnd; at_start = false) {
    Rune ch = scan.Next();
    if (ch == '*' && scan.Peek() == '*') {
      scan.Next();
      AppendDoubleStar(scan, at_start, out);
    } else if (ch == '*') {
      special("[^/]*");
    } else if (ch == '?') {
      special("[^/]");
    } else if (ch < 0x80 && kEscaped.find(static_cast<char>(ch)) != std::string_view::npos) {
      out.regexp += '\\';
      AppendRune(out.regexp, ch);
    } else if (ch == '\\' && scan.Peek() != kRuneEnd) {
      special("\\" + RuneToString(scan.Next()));
    } else if (ch == '[' || ch == ']') {
      special(RuneToString(ch));
    } else {
      AppendRune(out.regexp, ch);
    }
  }
  out.regexp += '$';
  return out;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadIgnoreFile(std::string_view text) {
  std::vector<std::string> patterns;
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end > kMaxLine) return InvalidArgument("bufio.Scanner: token too long");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line[0] == '#') continue;
    line = TrimSpace(line);
    if (line.empty()) continue;
    bool invert = line[0] == '!';
    if (invert) line = TrimSpace(line.substr(1));
    std::string pattern = line.empty() ? "" : CleanPath(line);
    if (pattern.size() > 1 && pattern[0] == '/') pattern.erase(0, 1);
    patterns.push_back((invert ? "!" : "") + pattern);
  }
  return patterns;
}

absl::Status IgnorePattern::Compile() {
  Translated translated = Translate(text_);
  kind_ = translated.is_suffix   ? Kind::kSuffix
          : translated.is_prefix ? Kind::kPrefix
          : translated.is_regexp ? Kind::kRegexp
                                 : Kind::kExact;
  if (kind_ != Kind::kRegexp) return absl::OkStatus();
  RE2::Options options;
  options.set_log_errors(false);
  auto regexp = std::make_shared<const RE2>(translated.regexp, options);
  if (!regexp->ok()) {
    kind_ = Kind::kUnknown;
    return BadPattern();
  }
  literal_ = text_.substr(0, text_.find_first_of("*?[]\\^"));
  if (text_.find_first_of("|{") != std::string::npos || ValidUtf8(literal_) != literal_ || literal_.substr(0, kByteOrderMark.size()) == kByteOrderMark) literal_.clear();
  regexp_ = std::move(regexp);
  return absl::OkStatus();
}

absl::StatusOr<bool> IgnorePattern::Match(std::string_view path) {
  if (kind_ == Kind::kUnknown) BK_RETURN_IF_ERROR(Compile());
  std::string_view text = text_;
  switch (kind_) {
    case Kind::kExact: return path == text;
    case Kind::kPrefix: return path.starts_with(text.substr(0, text.size() - 2));
    case Kind::kSuffix: {
      std::string_view suffix = text.substr(2);
      return path.ends_with(suffix) || (suffix.starts_with('/') && path == suffix.substr(1));
    }
    default: break;
  }
  if (!path.starts_with(literal_)) return false;
  std::string valid = ValidUtf8(path);
  return RE2::PartialMatch(valid, *regexp_);
}

absl::StatusOr<PatternMatcher> PatternMatcher::Create(std::span<const std::string> patterns) {
  PatternMatcher matcher;
  for (const std::string& given : patterns) {
    std::string_view trimmed = TrimSpace(given);
    if (trimmed.empty()) continue;
    IgnorePattern pattern;
    pattern.text_ = CleanPath(trimmed);
    if (pattern.text_[0] == '!') {
      if (pattern.text_.size() == 1) return InvalidArgument("illegal exclusion pattern: \"!\"");
      pattern.exclusion_ = matcher.has_exclusions_ = true;
      pattern.text_.erase(0, 1);
    }
    BK_RETURN_IF_ERROR(CheckGlob(pattern.text_));
    matcher.patterns_.push_back(std::move(pattern));
  }
  return matcher;
}

namespace {

// A bad pattern is an error for the path itself, and no match for its parents.
absl::StatusOr<bool> MatchWithParents(IgnorePattern& pattern, std::string_view path) {
  BK_TRY(bool match, pattern.Match(path));
  std::string parent = DirName(path);
  if (match || parent == ".") return match;
  for (size_t end = parent.find('/');; end = parent.find('/', end + 1)) {
    auto found = pattern.Match(std::string_view(parent).substr(0, end));
    if (found.ok() && *found) return true;
    if (end == std::string::npos) return false;
  }
}

}  // namespace

absl::StatusOr<bool> PatternMatcher::MatchesOrParentMatches(std::string_view path) {
  bool matched = false;
  for (IgnorePattern& pattern : patterns_) {
    if (pattern.exclusion() != matched) continue;  // could change nothing
    BK_TRY(bool match, MatchWithParents(pattern, path));
    if (match) matched = !pattern.exclusion();
  }
  return matched;
}

absl::StatusOr<bool> PatternMatcher::MatchesUsingParentResults(std::string_view path, const ParentResults& parent,
                                                               ParentResults& results) {
  if (!parent.empty() && parent.size() != patterns_.size()) return Internal("wrong number of values in parentMatched");
  bool matched = false;
  ParentResults found(patterns_.size());
  for (size_t i = 0; i < patterns_.size(); i++) {
    IgnorePattern& pattern = patterns_[i];
    bool match = !parent.empty() && parent[i];
    if (!match) {
      if (pattern.exclusion() != matched) continue;
      BK_TRY(match, parent.empty() ? MatchWithParents(pattern, path) : pattern.Match(path));
    }
    found[i] = match;
    if (match) matched = !pattern.exclusion();
  }
  results = std::move(found);
  return matched;
}

}  // namespace bk
