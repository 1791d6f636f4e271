#include "daemon/frontend/dockerfile/shell/pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/unicode.h"

namespace bk::dockerfile {
namespace {

using Regexp = std::unique_ptr<const RE2>;

absl::StatusOr<std::string> Translate(std::string_view pattern, Extent extent, bool anchored) {
  std::string out = anchored ? "^" : "";
  RuneScanner scan(pattern);
  for (Rune r = scan.Next(); r != kRuneEnd; r = scan.Next()) {
    switch (r) {
      case '*': out += extent == Extent::kLongest ? ".*" : ".*?"; continue;
      case '?': out += '.'; continue;
      case '\\':
        // Needed to write them inside ${}, but no part of the pattern.
        if (scan.Peek() == '}' || scan.Peek() == '/') continue;
        out += '\\';
        r = scan.Next();
        if (r != '*' && r != '?' && r != '\\') return InvalidArgument("invalid escape '\\", RuneToString(r), "'");
        break;
      case '[': case ']': case '{': case '}': case '.': case '+': case '(': case ')': case '|': case '^': case '$':
        out += '\\';
        break;
      default: break;
    }
    AppendRune(out, r);
  }
  return out;
}

absl::StatusOr<Regexp> Compile(std::string_view pattern, Extent extent, bool anchored) {
  auto bad = [&](std::string_view why) { return InvalidArgument("invalid pattern (", pattern, ") in substitution: ", why); };
  auto text = Translate(pattern, extent, anchored);
  if (!text.ok()) return bad(Message(text.status()));
  RE2::Options options;
  options.set_log_errors(false);
  auto regexp = std::make_unique<const RE2>(*text, options);
  if (!regexp->ok()) return bad(regexp->error());
  return regexp;
}

// Backwards, except that an escape stays before what it escapes.
std::string ReversedPattern(std::string_view pattern) {
  std::vector<std::string> units;
  std::vector<Rune> runes = Runes(pattern);
  for (size_t i = 0; i < runes.size(); i++) {
    std::string unit = RuneToString(runes[i]);
    if (runes[i] == '\\' && i + 1 < runes.size()) AppendRune(unit, runes[++i]);
    units.push_back(std::move(unit));
  }
  std::string out;
  for (size_t i = units.size(); i-- > 0;) out += units[i];
  return out;
}

std::string Reversed(std::string_view text) {
  std::vector<Rune> runes = Runes(text);
  std::string out;
  for (size_t i = runes.size(); i-- > 0;) AppendRune(out, runes[i]);
  return out;
}

// Go's regexp template: $name or ${name}; there are no groups, so that only 0 stands for something.
void AppendTemplate(std::string& out, std::string_view text, std::string_view matched) {
  while (!text.empty()) {
    size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) return;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    bool brace = text.starts_with('{');
    size_t start = brace ? 1 : 0, end = start;
    while (end < text.size()) {
      DecodedRune d = DecodeRune(text.substr(end));
      if (!IsLetter(d.rune) && !IsDigit(d.rune) && d.rune != '_') break;
      end += d.width;
    }
    if (end == start || (brace && (end >= text.size() || text[end] != '}'))) {
      out += '$';  // no reference after all
      continue;
    }
    if (text.substr(start, end - start) == "0") out += matched;
    text.remove_prefix(end + (brace ? 1 : 0));
  }
}

}  // namespace

absl::StatusOr<std::string> TrimMatchedPrefix(std::string_view value, std::string_view pattern, Extent extent) {
  BK_TRY(Regexp regexp, Compile(pattern, extent, true));
  re2::StringPiece match;
  re2::StringPiece text(value.data(), value.size());
  if (!regexp->Match(text, 0, text.size(), RE2::UNANCHORED, &match, 1)) return std::string(value);
  return std::string(value.substr(match.data() + match.size() - value.data()));
}

absl::StatusOr<std::string> TrimMatchedSuffix(std::string_view value, std::string_view pattern, Extent extent) {
  // A regular expression finds the leftmost match; backwards that is the rightmost.
  BK_TRY(std::string trimmed, TrimMatchedPrefix(Reversed(value), ReversedPattern(pattern), extent));
  return Reversed(trimmed);
}

absl::StatusOr<std::string> ReplaceMatched(std::string_view value, std::string_view pattern, std::string_view replacement, bool all) {
  BK_TRY(Regexp regexp, Compile(pattern, Extent::kLongest, false));
  re2::StringPiece text(value.data(), value.size()), match;
  std::string out;
  size_t copied = 0, search = 0;
  while (search <= value.size() && regexp->Match(text, search, text.size(), RE2::UNANCHORED, &match, 1)) {
    size_t start = match.data() - value.data(), end = start + match.size();
    out += value.substr(copied, start - copied);
    if (!all) {
      out += replacement;
      copied = end;
      break;
    }
    // An empty match right after the last one does not count.
    if (end > copied || start == 0) AppendTemplate(out, replacement, value.substr(start, end - start));
    copied = end;
    size_t step = search + std::max<size_t>(DecodeRune(value.substr(search)).width, 1);
    search = std::max(step, end);
  }
  out += value.substr(std::min(copied, value.size()));
  return out;
}

}  // namespace bk::dockerfile
