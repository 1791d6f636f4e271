#include "daemon/frontend/dockerfile/shell/lex.h"

#include "daemon/frontend/dockerfile/shell/pattern.h"

namespace bk::dockerfile {
namespace {

constexpr int kMaxDepth = 500;                 // of ${a:-${b:-…}}
constexpr size_t kMaxResultBytes = 16 << 20;   // of one expanded word

bool IsSpecialParameter(Rune r) { return r > 0 && r < 0x80 && std::string_view("@*#?-$!0").find(static_cast<char>(r)) != std::string_view::npos; }

// Splits what is added at blanks. All levels of one expansion share `buffer`, and a new level empties it.
class WordList {
 public:
  explicit WordList(std::string& buffer) : buffer_(buffer) { buffer_.clear(); }
  void AddRune(Rune r) {
    if (!IsSpace(r)) return AddRawRune(r);
    if (in_word_ && !buffer_.empty()) {
      words_.push_back(std::move(buffer_));
      buffer_.clear();
      in_word_ = false;
    }
  }
  void AddRawRune(Rune r) {
    AppendRune(buffer_, r);
    in_word_ = true;
  }
  void AddText(std::string_view text) {
    while (!text.empty()) {
      DecodedRune d = DecodeRune(text);
      AddRune(d.rune);
      text.remove_prefix(d.width);
    }
  }
  void AddRawText(std::string_view text) {
    buffer_ += text;
    in_word_ = true;
  }
  std::vector<std::string> Take() {
    if (!buffer_.empty()) words_.push_back(std::move(buffer_));
    buffer_.clear();
    return std::move(words_);
  }

 private:
  std::string& buffer_;
  std::vector<std::string> words_;
  bool in_word_ = false;
};

// One pass over one word. The members follow the grammar; each starts at its first rune, which the caller only peeked.
class Expander {
 public:
  Expander(std::string_view word, Rune escape, const LexOptions& options, const Variables& variables, Expansion& out)
      : scan_(word), escape_(escape), options_(options), raw_escapes_(options.raw_escapes), variables_(variables), out_(out) {}

  // Up to `stop` (taken too) or, for kRuneEnd, to the end.
  absl::StatusOr<std::string> Until(Rune stop, bool raw_escapes, std::vector<std::string>* words);

 private:
  absl::StatusOr<std::string> SingleQuoted();
  absl::StatusOr<std::string> DoubleQuoted();
  absl::StatusOr<std::string> Dollar();
  absl::StatusOr<std::string> Braced();
  absl::StatusOr<std::string> DefaultOrTrim(const std::string& name, const std::string& modifier, Rune op, bool null_is_unset);
  absl::StatusOr<std::string> Replacement(const std::string& name);
  absl::StatusOr<std::string> Operand(Rune stop, bool raw_escapes, std::string_view missing);
  std::string LessThan();
  std::string Name();
  std::optional<std::string> Lookup(const std::string& name);
  // Whether a rune begins something that is not plain text.
  bool IsSpecial(Rune r) const { return r == '$' || r == '<' || (!options_.skip_quotes && (r == '\'' || r == '"')); }
  absl::StatusOr<std::string> Special(Rune r);

  RuneScanner scan_;
  Rune escape_;
  const LexOptions& options_;
  bool raw_escapes_;
  const Variables& variables_;
  Expansion& out_;
  std::string word_buffer_;
  int depth_ = 0;
};

absl::StatusOr<std::string> Expander::Special(Rune r) {
  if (r == '$') return Dollar();
  if (r == '<') return LessThan();
  return r == '"' ? DoubleQuoted() : SingleQuoted();
}

absl::StatusOr<std::string> Expander::Until(Rune stop, bool raw_escapes, std::vector<std::string>* words_out) {
  if (depth_ >= kMaxDepth) return InvalidArgument("variable substitution is nested more than ", kMaxDepth, " levels deep");
  struct Level {
    Expander& e;
    bool raw_escapes;
    ~Level() { e.depth_--, e.raw_escapes_ = raw_escapes; }
  } level{*this, raw_escapes_};
  depth_++;
  raw_escapes_ = raw_escapes;

  std::string result;
  WordList words(word_buffer_);
  auto finish = [&] {
    std::vector<std::string> list = words.Take();
    if (words_out != nullptr) *words_out = std::move(list);
    return result;
  };
  while (scan_.Peek() != kRuneEnd) {
    Rune r = scan_.Peek();
    if (stop != kRuneEnd && r == stop) {
      scan_.Next();
      return finish();
    }
    if (IsSpecial(r)) {
      BK_TRY(std::string piece, Special(r));
      result += piece;
      r == '$' ? words.AddText(piece) : words.AddRawText(piece);
      if (result.size() > kMaxResultBytes) return InvalidArgument("expanded text is larger than ", kMaxResultBytes, " bytes");
      continue;
    }
    r = scan_.Next();
    if (r == escape_) {
      if (raw_escapes_) {
        words.AddRawRune(r);
        AppendRune(result, r);
      }
      r = scan_.Next();
      if (r == kRuneEnd) break;
      words.AddRawRune(r);
    } else {
      words.AddRune(r);
    }
    AppendRune(result, r);
  }
  if (stop != kRuneEnd) return InvalidArgument("unexpected end of statement while looking for matching ", RuneToString(stop));
  return finish();
}

absl::StatusOr<std::string> Expander::SingleQuoted() {
  std::string result;
  scan_.Next();
  if (options_.raw_quotes) result += '\'';
  while (true) {
    Rune r = scan_.Next();
    if (r == kRuneEnd) return InvalidArgument("unexpected end of statement while looking for matching single-quote");
    if (r == '\'') break;
    AppendRune(result, r);
  }
  if (options_.raw_quotes) result += '\'';
  return result;
}

absl::StatusOr<std::string> Expander::DoubleQuoted() {
  std::string result;
  scan_.Next();
  if (options_.raw_quotes) result += '"';
  while (true) {
    Rune r = scan_.Peek();
    if (r == kRuneEnd) return InvalidArgument("unexpected end of statement while looking for matching double-quote");
    if (r == '$') {
      BK_TRY(std::string value, Dollar());
      result += value;
      if (result.size() > kMaxResultBytes) return InvalidArgument("expanded text is larger than ", kMaxResultBytes, " bytes");
      continue;
    }
    scan_.Next();
    if (r == '"') break;
    if (r == escape_) {
      if (raw_escapes_) AppendRune(result, r);
      Rune next = scan_.Peek();
      if (next == kRuneEnd) continue;
      if (next == '"' || next == '$' || next == escape_) r = scan_.Next();
    }
    AppendRune(result, r);
  }
  if (options_.raw_quotes) result += '"';
  return result;
}

absl::StatusOr<std::string> Expander::Dollar() {
  scan_.Next();
  if (scan_.Peek() == '{') return Braced();
  std::string name = Name();
  if (name.empty()) return "$";
  std::optional<std::string> value = Lookup(name);
  if (!value && options_.skip_unset) return "$" + name;
  return value.value_or("");
}

absl::StatusOr<std::string> Expander::Braced() {
  scan_.Next();
  Rune first = scan_.Peek();
  if (first == kRuneEnd) return InvalidArgument("syntax error: missing '}'");
  if (first == '{' || first == '}' || first == ':') return InvalidArgument("syntax error: bad substitution");
  std::string name = Name();
  Rune op = scan_.Next();
  std::string modifier = RuneToString(op);
  if (op == '}') {
    std::optional<std::string> value = Lookup(name);
    if (!value && options_.skip_unset) return "${" + name + "}";
    return value.value_or("");
  }
  if (op == '/') return Replacement(name);
  if (op == ':') {
    op = scan_.Next();
    AppendRune(modifier, op);
    return DefaultOrTrim(name, modifier, op, true);
  }
  if (op == '+' || op == '-' || op == '?' || op == '#' || op == '%') return DefaultOrTrim(name, modifier, op, false);
  return InvalidArgument("unsupported modifier (", modifier, ") in substitution");
}

// The text after a modifier. An error at the end of the word is reported as `missing`.
absl::StatusOr<std::string> Expander::Operand(Rune stop, bool raw_escapes, std::string_view missing) {
  auto word = Until(stop, raw_escapes, nullptr);
  if (!word.ok() && scan_.Peek() == kRuneEnd) return InvalidArgument("syntax error: ", missing);
  return word;
}

absl::StatusOr<std::string> Expander::DefaultOrTrim(const std::string& name, const std::string& modifier, Rune op, bool null_is_unset) {
  bool trims = op == '#' || op == '%';
  auto unsupported = [&] { return InvalidArgument("unsupported modifier (", modifier, ") in substitution"); };
  if (trims && null_is_unset) return unsupported();
  BK_TRY(std::string word, Operand('}', trims, "missing '}'"));
  std::optional<std::string> found = Lookup(name);
  if (options_.skip_unset && !found) return StrCat("${", name, modifier, word, "}");
  std::string value = found.value_or("");
  bool is_set = found.has_value() && !(null_is_unset && value.empty());
  switch (op) {
    case '-': return is_set ? value : word;
    case '+': return is_set ? word : "";
    case '?':
      if (is_set) return value;
      if (!word.empty()) return InvalidArgument(name, ": ", word);
      return InvalidArgument(name, ": is not allowed to be ", found ? "empty" : "unset");
    case '#':
    case '%': {
      Extent extent = Extent::kShortest;
      if (!word.empty() && word[0] == static_cast<char>(op)) {
        extent = Extent::kLongest;
        word.erase(0, 1);
      }
      return op == '#' ? TrimMatchedPrefix(value, word, extent) : TrimMatchedSuffix(value, word, extent);
    }
    default: return unsupported();
  }
}

absl::StatusOr<std::string> Expander::Replacement(const std::string& name) {
  bool all = scan_.Peek() == '/';
  if (all) scan_.Next();
  BK_TRY(std::string pattern, Operand('/', true, "missing '/' in ${}"));
  BK_TRY(std::string replacement, Operand('}', true, "missing '}'"));
  std::optional<std::string> value = Lookup(name);
  if (options_.skip_unset && !value) return StrCat("${", name, "/", pattern, "/", replacement, "}");
  return ReplaceMatched(value.value_or(""), pattern, replacement, all);
}

// Letters, digits and '_'; a name that begins with a digit is that number, and some single characters are names.
std::string Expander::Name() {
  std::string name;
  if (IsDigit(scan_.Peek())) {
    while (IsDigit(scan_.Peek())) AppendRune(name, scan_.Next());
    return name;
  }
  if (IsSpecialParameter(scan_.Peek())) return RuneToString(scan_.Next());
  while (IsLetter(scan_.Peek()) || IsDigit(scan_.Peek()) || scan_.Peek() == '_') AppendRune(name, scan_.Next());
  return name;
}

// `<<` and the blanks after it stay together with the word that follows: it may be the name of a heredoc.
std::string Expander::LessThan() {
  scan_.Next();
  if (scan_.Peek() != '<') return "<";
  scan_.Next();
  std::string result = "<<";
  while (scan_.Peek() == '\t' || scan_.Peek() == '\r' || scan_.Peek() == ' ') AppendRune(result, scan_.Next());
  return result;
}

std::optional<std::string> Expander::Lookup(const std::string& name) {
  auto value = variables_.Get(name);
  (value ? out_.matched : out_.unmatched).insert(name);
  if (!value) return std::nullopt;
  return std::string(*value);
}

}  // namespace

absl::Status Lex::Process(std::string_view word, const Variables& variables, Expansion& out) const {
  out = {};
  Expander expander(word, escape_, options_, variables, out);
  auto result = expander.Until(kRuneEnd, options_.raw_escapes, &out.words);
  if (!result.ok()) return Annotate(result.status(), StrCat("failed to process ", Quote(word)));
  out.word = *std::move(result);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Lex::Word(std::string_view word, const Variables& variables) const {
  Expansion expansion;
  BK_RETURN_IF_ERROR(Process(word, variables, expansion));
  return std::move(expansion.word);
}

}  // namespace bk::dockerfile
