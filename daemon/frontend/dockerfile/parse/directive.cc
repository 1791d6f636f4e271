#include "daemon/frontend/dockerfile/parse/directive.h"

#include <nlohmann/json.hpp>

#include "base/unicode.h"

namespace bk::dockerfile {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAlnum(char c) { return IsAlpha(c) || (c >= '0' && c <= '9'); }

// `name = value`, blanks around both left out. A value of blanks only is its last blank.
bool SplitAssignment(std::string_view line, std::string& name, std::string& value) {
  size_t at = 0;
  while (at < line.size() && (at == 0 ? IsAlpha(line[at]) : IsAlnum(line[at]))) at++;
  if (at == 0) return false;
  name = ToLower(line.substr(0, at));
  while (at < line.size() && IsBlank(line[at])) at++;
  if (at == line.size() || line[at] != '=') return false;
  std::string_view rest = line.substr(at + 1);
  if (rest.find('\n') != std::string_view::npos || rest.empty()) return false;
  std::string_view last = rest.substr(rest.size() - 1);
  while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
  while (!rest.empty() && IsBlank(rest.back())) rest.remove_suffix(1);
  value = rest.empty() ? last : rest;
  return true;
}

std::optional<FoundDirective> FindIn(std::string_view name, std::string_view text, int lines_before, std::string_view comment) {
  DirectiveReader reader(lines_before, comment);
  while (!text.empty() && !reader.done()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    auto directive = reader.ReadLine(line);
    if (!directive.ok()) return std::nullopt;
    if (!*directive || (*directive)->name != name) continue;
    const std::string& value = (*directive)->value;
    return FoundDirective{value.substr(0, value.find(' ')), value, (*directive)->location};
  }
  return std::nullopt;
}

std::optional<FoundDirective> FindInJson(std::string_view name, std::string_view text, int line) {
  if (!TrimLeftSpace(text).starts_with('{')) return std::nullopt;
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  auto found = json.find(std::string(name));
  if (found == json.end() || !found->is_string()) return std::nullopt;
  std::string value = found->get<std::string>();
  return FoundDirective{value, value, LineRanges(line, line)};
}

std::string_view WithoutShebang(std::string_view text, int& lines) {
  if (!text.starts_with("#!")) return text;
  lines++;
  size_t end = text.find('\n');
  return end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
}

}  // namespace

absl::StatusOr<std::optional<Directive>> DirectiveReader::ReadLine(std::string_view line) {
  line_++;
  if (done_) return std::nullopt;
  std::string name, value;
  bool matches = line.starts_with(comment_) && SplitAssignment(TrimLeftSpace(line.substr(comment_.size())), name, value);
  if (!matches || (name != "syntax" && name != "escape" && name != "check")) {
    done_ = true;
    return std::nullopt;
  }
  if (!seen_.insert(name).second) return InvalidArgument("only one ", name, " parser directive can be used");
  return Directive{name, value, LineRanges(line_, line_)};
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

std::optional<FoundDirective> FindDirective(std::string_view name, std::string_view text) {
  int lines = 0;
  text = WithoutShebang(WithoutByteOrderMark(text), lines);
  return FindIn(name, text, lines, "#");
}

std::optional<FoundDirective> DetectSyntax(std::string_view text) {
  int lines = 0;
  text = WithoutShebang(WithoutByteOrderMark(text), lines);
  if (auto found = FindIn("syntax", text, lines, "#")) return found;
  if (auto found = FindIn("syntax", text, lines, "//")) return found;
  return FindInJson("syntax", text, lines);
}

}  // namespace bk::dockerfile
