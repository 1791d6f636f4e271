#include "daemon/llb/policy/pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <vector>

namespace bk::llb {
namespace {

using Groups = std::vector<re2::StringPiece>;

const char* GoText(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repeat count";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
  }
}

bool IsNameByte(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0; }

// Takes "name" or "{name}" from the front of `rest`. Empty and nothing taken if there is none.
std::string_view TakeName(std::string_view& rest) {
  bool brace = rest.starts_with('{');
  std::string_view from = rest.substr(brace ? 1 : 0);
  size_t length = std::find_if_not(from.begin(), from.end(), IsNameByte) - from.begin();
  if (length == 0 || (brace && !from.substr(length).starts_with('}'))) return {};
  rest = from.substr(length + (brace ? 1 : 0));
  return from.substr(0, length);
}

// The number of a group if `name` is one ("07" is not); -1 for names.
int NumberOf(std::string_view name) {
  if (name.size() > 8 || (name[0] == '0' && name.size() > 1)) return -1;
  int out = 0;
  for (char c : name) {
    if (c < '0' || c > '9') return -1;
    out = out * 10 + (c - '0');
  }
  return out;
}

void Expand(const RE2& regexp, const Groups& groups, std::string_view format, std::string& out) {
  while (!format.empty()) {
    size_t dollar = format.find('$');
    out.append(format.substr(0, dollar));
    if (dollar == std::string_view::npos) return;
    format.remove_prefix(dollar + 1);
    if (format.starts_with('$')) {
      out += '$';
      format.remove_prefix(1);
      continue;
    }
    std::string_view name = TakeName(format);
    if (name.empty()) {
      out += '$';
      continue;
    }
    int number = NumberOf(name);
    if (number < 0) {
      auto named = regexp.NamedCapturingGroups().find(std::string(name));
      if (named == regexp.NamedCapturingGroups().end()) continue;
      number = named->second;
    }
    if (static_cast<size_t>(number) < groups.size() && groups[number].data() != nullptr) out.append(groups[number].data(), groups[number].size());
  }
}

absl::StatusOr<std::shared_ptr<const RE2>> Compile(const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  auto out = std::make_shared<const RE2>(text, options);
  if (!out->ok()) return Unknown("error parsing regexp: ", GoText(out->error_code()), ": `", out->error_arg(), "`");
  return out;
}

size_t RuneLength(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && length < 4 && (text[length] & 0xC0) == 0x80) length++;
  return length;
}

}  // namespace

absl::StatusOr<SourcePattern> SourcePattern::Regexp(const std::string& text) {
  BK_TRY(auto regexp, Compile(text));
  return SourcePattern(std::move(regexp));
}

absl::StatusOr<SourcePattern> SourcePattern::Wildcard(std::string_view text) {
  if (text.find("**") != std::string_view::npos) {
    return Unknown("failed to translate wildcard ", Quote(text), " to regexp: invalid wildcard: \"**\"");
  }
  std::string regexp = "^";
  for (size_t star; !text.empty(); text.remove_prefix(std::min(star, text.size()))) {
    star = text.find('*');
    regexp += RE2::QuoteMeta(text.substr(0, star));
    if (star == std::string_view::npos) break;
    regexp += "(.*)";
    star++;
  }
  BK_TRY(auto compiled, Compile(regexp + "$"));
  return SourcePattern(std::move(compiled));
}

bool SourcePattern::Matches(std::string_view text) const { return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regexp_); }

std::string SourcePattern::ReplaceAll(std::string_view text, std::string_view format) const {
  re2::StringPiece all(text.data(), text.size());
  Groups groups(regexp_->NumberOfCapturingGroups() + 1);
  std::string out;
  size_t copied = 0, search = 0;
  while (search <= text.size() && regexp_->Match(all, search, text.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
    size_t begin = groups[0].data() - text.data(), end = begin + groups[0].size();
    out.append(text.substr(copied, begin - copied));
    // An empty match right behind another one is none.
    if (end > copied || begin == 0) Expand(*regexp_, groups, format, out);
    copied = end;
    if (end > search) {
      search = end;
    } else {
      search += search < text.size() ? RuneLength(text.substr(search)) : 1;
    }
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace bk::llb
