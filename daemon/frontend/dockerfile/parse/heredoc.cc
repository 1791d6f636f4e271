#include "base/unicode.h"
#include "daemon/frontend/dockerfile/parse/line.h"
#include "daemon/frontend/dockerfile/parse/parser.h"
#include "daemon/frontend/dockerfile/shell/lex.h"

#include <algorithm>
#include <limits>

namespace bk::dockerfile {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

size_t CountQuotes(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '"'; });
}

absl::StatusOr<std::vector<std::string>> Words(std::string_view text, LexOptions options) {
  Expansion expansion;
  options.skip_unset = true;
  BK_RETURN_IF_ERROR(Lex('\\', options).Process(text, NoVariables(), expansion));
  return std::move(expansion.words);
}

}  // namespace

absl::StatusOr<std::optional<Heredoc>> ParseHeredocWord(std::string_view word) {
  Heredoc heredoc;
  size_t at = 0;
  for (; at < word.size() && word[at] >= '0' && word[at] <= '9'; at++) {
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    uint64_t digit = word[at] - '0';
    bool fits = heredoc.file_descriptor <= (kMax - digit) / 10;
    heredoc.file_descriptor = fits ? heredoc.file_descriptor * 10 + digit : kMax;
  }
  if (word.substr(at, 2) != "<<") return std::nullopt;
  at += 2;
  if (at < word.size() && word[at] == '-') {
    heredoc.chomp = true;
    at++;
  }
  while (at < word.size() && IsBlank(word[at])) at++;
  std::string_view name = word.substr(at);
  if (name.empty() || name.find('<') != std::string_view::npos) return std::nullopt;

  BK_TRY(auto plain, Words(name, {}));
  if (plain.size() != 1) return std::nullopt;
  BK_TRY(auto raw, Words(name, {.raw_quotes = true}));
  if (raw.size() != 1) return InvalidArgument("internal lexing of heredoc produced inconsistent results: ", name);
  heredoc.name = plain[0];
  heredoc.expand = CountQuotes(plain[0]) == CountQuotes(raw[0]);
  return heredoc;
}

absl::StatusOr<std::vector<Heredoc>> HeredocsOfLine(std::string_view line) {
  std::vector<Heredoc> heredocs;
  auto words = Words(line, {.raw_quotes = true, .raw_escapes = true});
  if (!words.ok()) return heredocs;  // the shell of the container may know better
  for (const std::string& word : *words) {
    BK_TRY(auto heredoc, ParseHeredocWord(word));
    if (heredoc) heredocs.push_back(*std::move(heredoc));
  }
  return heredocs;
}

std::string ChompHeredoc(std::string_view content) {
  std::string out;
  bool line_start = true;
  for (char c : content) {
    if (line_start && c == '\t') continue;
    out += c;
    line_start = c == '\n';
  }
  return out;
}

}  // namespace bk::dockerfile
