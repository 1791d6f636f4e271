#include "daemon/frontend/dockerfile/parse/line.h"

#include "base/unicode.h"
#include "daemon/frontend/dockerfile/parse/json_array.h"

namespace bk::dockerfile {
namespace {

constexpr int kMaxTriggerDepth = 100;  // ONBUILD ONBUILD …; more than one is refused later anyway

bool IsBlank(char c) { return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' '; }
// A byte as a code point of its own, as the reference looks at flags.
bool IsSpaceByte(char c) { return IsSpace(static_cast<unsigned char>(c)); }

// At most `limit` pieces between runs of blanks.
std::vector<std::string> SplitBlanks(std::string_view text, size_t limit) {
  std::vector<std::string> parts;
  while (parts.size() + 1 < limit) {
    size_t start = 0;
    while (start < text.size() && !IsBlank(text[start])) start++;
    if (start == text.size()) break;
    parts.emplace_back(text.substr(0, start));
    while (start < text.size() && IsBlank(text[start])) start++;
    text.remove_prefix(start);
  }
  parts.emplace_back(text);
  return parts;
}

// Words with their quotes and escapes still in place.
std::vector<std::string> QuotedWords(std::string_view rest, Rune escape) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false, had_quote = false;
  Rune quote = 0;
  auto finish = [&] {
    if (had_quote || !word.empty()) words.push_back(word);
    word.clear();
    in_word = had_quote = false;
  };
  while (!rest.empty()) {
    DecodedRune d = DecodeRune(rest);
    rest.remove_prefix(d.width);
    if (quote == 0) {
      if (IsSpace(d.rune)) {
        if (in_word) finish();
        continue;
      }
      in_word = true;
      if (d.rune == '\'' || d.rune == '"') {
        quote = d.rune;
        had_quote = true;
        AppendRune(word, d.rune);
        continue;
      }
    } else if (d.rune == quote) {
      quote = 0;
    }
    if (d.rune == escape && quote != '\'') {
      if (rest.empty()) break;  // an escape at the end counts for nothing
      AppendRune(word, d.rune);
      d = DecodeRune(rest);
      rest.remove_prefix(d.width);
    }
    AppendRune(word, d.rune);
  }
  if (in_word) finish();
  return words;
}

// Takes `--flag` words from the front of `line`. They are read byte by byte and lose quotes and escapes.
std::vector<std::string> TakeFlags(std::string_view& line, Rune escape) {
  std::vector<std::string> flags;
  std::string word;
  bool in_word = false, had_quote = false;
  char quote = 0;
  size_t at = 0;
  for (; at < line.size(); at++) {
    char c = line[at];
    if (quote == 0) {
      if (!in_word) {
        if (IsSpaceByte(c)) continue;
        if (c != '-' || line.substr(at + 1, 1) != "-") break;
        in_word = true;
      }
      if (IsSpaceByte(c)) {
        in_word = false;
        if (word == "--") break;
        if (had_quote || !word.empty()) flags.push_back(word);
        word.clear();
        had_quote = false;
        continue;
      }
      if (c == '\'' || c == '"') {
        quote = c;
        had_quote = true;
        continue;
      }
    } else if (c == quote) {
      quote = 0;
      continue;
    }
    if (static_cast<unsigned char>(c) == escape) {
      if (at + 1 == line.size()) continue;  // an escape at the end counts for nothing
      c = line[++at];
    }
    AppendRune(word, static_cast<unsigned char>(c));
  }
  if (in_word && at == line.size() && word != "--" && (had_quote || !word.empty())) flags.push_back(word);
  line.remove_prefix(std::min(at, line.size()));
  return flags;
}

struct Arguments {
  std::vector<std::string> values;
  bool is_json = false;
};

absl::StatusOr<Arguments> WholeText(std::string_view rest) {
  if (rest.empty()) return Arguments{};
  return Arguments{{std::string(rest)}};
}

absl::StatusOr<Arguments> BlankSeparated(std::string_view rest) {
  if (rest.empty()) return Arguments{};
  return Arguments{SplitBlanks(rest, std::string_view::npos)};
}

// A JSON array of strings, or what `otherwise` makes of the text.
template <typename F>
absl::StatusOr<Arguments> MaybeJson(std::string_view rest, F&& otherwise) {
  auto array = ParseJsonArray(TrimLeftSpace(rest));
  if (!array) return otherwise(rest);
  if (!array->only_strings) return InvalidArgument("when using JSON array syntax, arrays must be comprised of strings only");
  return Arguments{std::move(array->strings), true};
}

absl::StatusOr<Arguments> Assignments(std::string_view rest, std::string_view keyword, Rune escape) {
  std::vector<std::string> words = QuotedWords(rest, escape);
  if (words.empty()) return Arguments{};
  Arguments out;
  if (words[0].find('=') == std::string::npos) {  // old form: NAME value
    std::vector<std::string> parts = SplitBlanks(rest, 2);
    if (parts.size() < 2) return InvalidArgument(keyword, " must have two arguments");
    out.values = {parts[0], parts[1], ""};
    return out;
  }
  for (const std::string& word : words) {
    size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return InvalidArgument("Syntax error - can't find = in ", Quote(word), ". Must be of the form: name=value");
    }
    out.values.insert(out.values.end(), {word.substr(0, equals), word.substr(equals + 1), "="});
  }
  return out;
}

absl::StatusOr<Arguments> HealthCheck(std::string_view rest) {
  size_t end = 0;
  while (end < rest.size() && !IsSpaceByte(rest[end])) end++;
  if (end == 0) return Arguments{};
  size_t next = end;
  while (next < rest.size() && IsSpaceByte(rest[next])) next++;
  BK_TRY(Arguments command, MaybeJson(rest.substr(next), WholeText));
  command.values.insert(command.values.begin(), std::string(rest.substr(0, end)));
  return command;
}

enum class Form { kWhole, kBlanks, kJsonOrWhole, kJsonOrBlanks, kAssignments, kWords, kHealth, kTrigger };

constexpr struct {
  std::string_view keyword;
  Form form;
} kForms[] = {
    {"add", Form::kJsonOrBlanks},      {"arg", Form::kWords},        {"cmd", Form::kJsonOrWhole},   {"copy", Form::kJsonOrBlanks},
    {"entrypoint", Form::kJsonOrWhole}, {"env", Form::kAssignments},  {"expose", Form::kBlanks},     {"from", Form::kBlanks},
    {"healthcheck", Form::kHealth},    {"label", Form::kAssignments}, {"maintainer", Form::kWhole}, {"onbuild", Form::kTrigger},
    {"run", Form::kJsonOrWhole},       {"shell", Form::kJsonOrWhole}, {"stopsignal", Form::kWhole}, {"user", Form::kWhole},
    {"volume", Form::kJsonOrBlanks},   {"workdir", Form::kWhole},
};

absl::StatusOr<Arguments> CutArguments(std::string_view rest, Form form, std::string_view keyword, Rune escape) {
  switch (form) {
    case Form::kWhole: return WholeText(rest);
    case Form::kBlanks: return BlankSeparated(rest);
    case Form::kJsonOrWhole: return MaybeJson(rest, WholeText);
    case Form::kJsonOrBlanks: return MaybeJson(rest, BlankSeparated);
    case Form::kAssignments: return Assignments(rest, ToUpper(keyword), escape);
    case Form::kWords: return Arguments{QuotedWords(rest, escape)};
    case Form::kHealth: return HealthCheck(rest);
    case Form::kTrigger: break;
  }
  return Arguments{};
}

absl::StatusOr<Node> ParseLineAt(std::string_view line, Rune escape, int depth) {
  if (depth > kMaxTriggerDepth) return InvalidArgument("ONBUILD is nested more than ", kMaxTriggerDepth, " levels deep");
  Node node;
  node.original = line;
  std::vector<std::string> parts = SplitBlanks(TrimSpace(line), 2);
  node.keyword = parts[0];
  std::string_view rest;
  if (parts.size() == 2) {
    rest = parts[1];
    node.flags = TakeFlags(rest, escape);
    rest = TrimSpace(rest);
  }
  std::string keyword = ToLower(node.keyword);
  for (const auto& row : kForms) {
    if (row.keyword != keyword) continue;
    if (row.form != Form::kTrigger) {
      BK_TRY(Arguments arguments, CutArguments(rest, row.form, keyword, escape));
      node.args = std::move(arguments.values);
      node.is_json = arguments.is_json;
    } else if (!rest.empty()) {
      BK_TRY(Node trigger, ParseLineAt(rest, escape, depth + 1));
      node.args = trigger.args;
      node.args.insert(node.args.begin(), trigger.keyword);
      node.trigger = std::make_unique<Node>(std::move(trigger));
    }
    return node;
  }
  node.args = {""};  // unknown: reported by who interprets it
  return node;
}

}  // namespace

absl::StatusOr<Node> ParseLine(std::string_view line, Rune escape) { return ParseLineAt(line, escape, 0); }

}  // namespace bk::dockerfile
