#include "daemon/frontend/dockerfile/parse/parser.h"

#include "daemon/frontend/dockerfile/parse/directive.h"
#include "daemon/frontend/dockerfile/parse/line.h"

namespace bk::dockerfile {
namespace {

constexpr size_t kMaxLineBytes = 65535;  // without its newline

std::string_view WithoutNewline(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool IsComment(std::string_view line) { return TrimLeftSpace(line).starts_with('#'); }

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}
  absl::StatusOr<Dockerfile> Run();

 private:
  // The next line with its newline; false at the end, or before a line that is too long.
  bool NextLine(std::string_view& line);
  // A directive of the first lines; changes escape_. True if the line is one.
  absl::StatusOr<bool> ReadDirective(std::string_view line);
  // Takes a continuation character from the end of `line`.
  bool TakeContinuation(std::string_view& line) const;
  // The lines after a continuation character.
  absl::StatusOr<std::string> Join(std::string_view first);
  absl::Status ReadHeredocs(Node& node, int start_line);
  absl::Status At(absl::Status status, int first, int last = 0) { return AddLocation(std::move(status), LineRanges(first, last)); }

  std::string_view rest_;
  bool too_long_ = false;
  int line_ = 0;  // lines read
  DirectiveReader directives_;
  Rune escape_ = '\\';
  Dockerfile result_;
};

bool Parser::NextLine(std::string_view& line) {
  if (rest_.empty() || too_long_) return false;
  size_t end = rest_.substr(0, kMaxLineBytes + 1).find('\n');
  if (end == std::string_view::npos && rest_.size() > kMaxLineBytes) {
    too_long_ = true;
    return false;
  }
  line = rest_.substr(0, end == std::string_view::npos ? rest_.size() : end + 1);
  rest_.remove_prefix(line.size());
  return true;
}

absl::StatusOr<bool> Parser::ReadDirective(std::string_view line) {
  BK_TRY(auto directive, directives_.ReadLine(line));
  if (!directive) return false;
  if (directive->name == "escape") {
    if (directive->value != "`" && directive->value != "\\") {
      return InvalidArgument("invalid escape token '", directive->value, "' does not match ` or \\");
    }
    escape_ = directive->value[0];
  }
  return true;
}

bool Parser::TakeContinuation(std::string_view& line) const {
  std::string_view text = line;
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  char escape = static_cast<char>(escape_);
  if (!text.ends_with(escape)) return false;
  text.remove_suffix(1);
  if (text.ends_with(escape)) return false;  // an escaped one
  line = text;
  return true;
}

absl::StatusOr<std::string> Parser::Join(std::string_view first) {
  std::string joined(first);
  bool empty_line = false, goes_on = true;
  std::string_view line;
  while (goes_on && NextLine(line)) {
    std::string_view text = WithoutNewline(line);
    if (auto directive = ReadDirective(text); !directive.ok()) return At(directive.status(), line_);
    line_++;
    if (IsComment(line)) continue;
    if (TrimLeftSpace(text).empty()) {
      empty_line = true;
      continue;
    }
    goes_on = TakeContinuation(text);
    joined += text;
  }
  if (empty_line) {
    result_.warnings.push_back({StrCat("Empty continuation line found in: ", joined),
                                "Empty continuation lines will become errors in a future release",
                                "https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/",
                                {{line_, 0}, {line_, 0}}});
  }
  return joined;
}

bool CanHaveHeredocs(const Node& outer) {
  const Node& node = outer.trigger && ToLower(outer.keyword) == "onbuild" ? *outer.trigger : outer;
  std::string keyword = ToLower(node.keyword);
  return !node.is_json && (keyword == "add" || keyword == "copy" || keyword == "run");
}

absl::Status Parser::ReadHeredocs(Node& node, int start_line) {
  if (!CanHaveHeredocs(node) || node.original.find("<<") == std::string::npos) return absl::OkStatus();
  auto heredocs = HeredocsOfLine(node.original);
  if (!heredocs.ok()) return At(heredocs.status(), start_line, line_);
  for (Heredoc& heredoc : *heredocs) {
    bool terminated = false;
    std::string_view line;
    while (!terminated && NextLine(line)) {
      line_++;
      std::string_view word = WithoutNewline(line);
      if (heredoc.chomp) word.remove_prefix(std::min(word.find_first_not_of('\t'), word.size()));
      terminated = word == heredoc.name;
      if (!terminated) heredoc.content += line;
    }
    if (!terminated) return At(InvalidArgument("unterminated heredoc"), start_line, line_);
    node.heredocs.push_back(std::move(heredoc));
  }
  return absl::OkStatus();
}

absl::StatusOr<Dockerfile> Parser::Run() {
  std::vector<std::string> comments;
  std::string_view line;
  while (NextLine(line)) {
    if (line_ == 0) line = WithoutByteOrderMark(line);
    std::string_view text = TrimLeftSpace(WithoutNewline(line));
    auto directive = ReadDirective(text);
    if (!directive.ok()) return At(directive.status(), line_);
    bool is_comment = IsComment(line);
    if (is_comment && !*directive) {
      // The first byte goes whatever it is: the '#' of an indented comment stays.
      std::string_view comment = TrimSpace(line.substr(1));
      if (comment.empty()) {
        comments.clear();
      } else {
        comments.emplace_back(comment);
      }
    }
    line_++;
    int start_line = line_;
    if (is_comment) continue;
    bool goes_on = TakeContinuation(text);
    if (!goes_on && text.empty()) continue;
    std::string joined(text);
    if (goes_on) {
      BK_TRY(joined, Join(text));
    }
    auto node = ParseLine(joined, escape_);
    if (!node.ok()) return At(node.status(), start_line, line_);
    BK_RETURN_IF_ERROR(ReadHeredocs(*node, start_line));
    node->start_line = start_line;
    node->end_line = line_;
    node->comments = std::move(comments);
    comments.clear();
    if (result_.nodes.empty()) result_.start_line = start_line;
    result_.end_line = line_;
    result_.nodes.push_back(*std::move(node));
  }
  if (result_.nodes.empty()) return At(InvalidArgument("file with no instructions"), line_);
  if (too_long_) return At(InvalidArgument("dockerfile line greater than max allowed size of ", kMaxLineBytes), line_);
  result_.escape = escape_;
  return std::move(result_);
}

}  // namespace

absl::StatusOr<Dockerfile> ParseDockerfile(std::string_view text) { return Parser(text).Run(); }

}  // namespace bk::dockerfile
