#include "base/filter_parse.h"

#include <algorithm>

#include "base/unicode.h"

namespace bk {
namespace {

constexpr Rune kEnd = kRuneEnd, kBad = -2, kNull = -3;
constexpr Rune kMaxRune = 0x10ffff;

bool IsQuote(Rune r) { return r == '"' || r == '/' || r == '|'; }
bool IsOperator(Rune r) { return r == '=' || r == '!' || r == '~'; }
bool IsSeparator(Rune r) { return r == ',' || r == '.'; }
bool IsField(Rune r) { return r == '_' || (r >= '0' && r <= '9') || (r >= 'A' && r <= 'Z') || (r >= 'a' && r <= 'z'); }
bool IsValue(Rune r) { return r > 0 && r != ',' && !IsSpace(r) && IsPrint(r); }

int DigitOf(Rune r) {
  if (r >= '0' && r <= '9') return r - '0';
  if (r >= 'a' && r <= 'f') return r - 'a' + 10;
  if (r >= 'A' && r <= 'F') return r - 'A' + 10;
  return 16;
}

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  absl::StatusOr<std::vector<Filter::Term>> Terms() {
    std::vector<Filter::Term> terms;
    while (true) {
      BK_TRY(Filter::Term term, Term());
      terms.push_back(std::move(term));
      Rune next = Peek();
      if (next == kEnd) return terms;
      if (next != ',') return Fail(at_, "unexpected input: " + RuneToString(next));
      at_++;
    }
  }

 private:
  // The rune that comes next: kEnd, kBad (no UTF-8) and kNull are none.
  Rune Peek() const {
    DecodedRune next = DecodeRune(std::string_view(text_).substr(at_));
    if (next.width == 0) return kEnd;
    return next.rune == kRuneError ? kBad : next.rune == 0 ? kNull : next.rune;
  }
  void Take() { at_ += DecodeRune(std::string_view(text_).substr(at_)).width; }
  void SkipSpaces() {
    while (Peek() > 0 && IsSpace(Peek())) Take();
  }
  absl::Status Fail(size_t at, std::string_view reason) const {
    if (at >= text_.size()) return InvalidArgument("parse error: [", text_, "]: ", reason);
    return InvalidArgument("parse error: [", text_.substr(0, at), " >|", text_[at], "|< ", text_.substr(at + 1), "]: ", reason);
  }
  // Where another part was expected; a rune that is none says so itself.
  absl::Status Unexpected(std::string_view reason) {
    size_t at = at_;
    if (IsQuote(Peek())) {
      BK_RETURN_IF_ERROR(Quoted());
      return Fail(at, reason);
    }
    return Peek() == kBad ? Fail(at, "rune error") : Peek() == kNull ? Fail(at, "unexpected null") : Fail(at, reason);
  }

  absl::StatusOr<Filter::Term> Term();
  absl::StatusOr<std::string> Field();
  absl::StatusOr<std::string> Operator();
  absl::StatusOr<std::string> Value(bool any_quotes);
  absl::StatusOr<std::string> Quoted();
  absl::Status Escape(size_t start, Rune quote, std::string& value, bool& too_large);
  absl::Status Number(size_t start, int base, int digits, Rune& number);

  const std::string& text_;
  size_t at_ = 0;
};

absl::StatusOr<Filter::Term> Reader::Term() {
  Filter::Term term;
  while (true) {
    BK_TRY(std::string field, Field());
    term.field.push_back(std::move(field));
    if (Peek() != '.') break;
    at_++;
  }
  if (Peek() == ',' || Peek() == kEnd) return term;
  BK_ASSIGN(term.op, Operator());
  BK_ASSIGN(term.value, Value(term.op == "~="));
  return term;
}

absl::StatusOr<std::string> Reader::Field() {
  SkipSpaces();
  size_t start = at_;
  if (IsQuote(Peek())) {
    Rune quote = Peek();
    BK_TRY(std::string field, Quoted());
    if (quote != '"') return Fail(start, "invalid quote encountered");
    return field;
  }
  while (IsField(Peek())) at_++;
  if (at_ == start) return Unexpected("expected field or quoted");
  return text_.substr(start, at_ - start);
}

absl::StatusOr<std::string> Reader::Operator() {
  SkipSpaces();
  size_t start = at_;
  while (IsOperator(Peek())) at_++;
  std::string op = text_.substr(start, at_ - start);
  if (op.empty()) return Unexpected("expected an operator (\"==\"|\"!=\"|\"~=\")");
  if (op != "==" && op != "!=" && op != "~=") return Fail(start, "unsupported operator " + Quote(op));
  return op;
}

absl::StatusOr<std::string> Reader::Value(bool any_quotes) {
  SkipSpaces();
  size_t start = at_;
  if (IsQuote(Peek())) {
    Rune quote = Peek();
    BK_TRY(std::string value, Quoted());
    if (quote != '"' && !any_quotes) return Fail(start, "invalid quote encountered");
    return value;
  }
  if (Peek() < 0 || IsSeparator(Peek()) || IsOperator(Peek())) return Unexpected("expected value or quoted");
  for (Take(); IsValue(Peek());) Take();
  return text_.substr(start, at_ - start);
}

absl::StatusOr<std::string> Reader::Quoted() {
  const size_t start = at_;
  const Rune quote = Peek();
  std::string value;
  bool too_large = false;  // told only when the whole text is read
  at_++;
  while (Peek() != quote) {
    Rune rune = Peek();
    if (rune == kBad) return Fail(start, "rune error");
    if (rune == kNull) return Fail(start, "unexpected null");
    if (rune == kEnd || rune == '\n') return Fail(start, "quoted literal not terminated");
    Take();
    if (rune != '\\') {
      AppendRune(value, rune);
    } else {
      BK_RETURN_IF_ERROR(Escape(start, quote, value, too_large));
    }
  }
  at_++;
  if (too_large) return Fail(start, "unquoting failed: quote syntax error");
  return value;
}

absl::Status Reader::Number(size_t start, int base, int digits, Rune& number) {
  int64_t sum = 0;
  for (; digits > 0; digits--) {
    if (DigitOf(Peek()) >= base) return Fail(start, "illegal numeric escape sequence");
    sum = sum * base + DigitOf(Peek());
    at_++;
  }
  number = static_cast<Rune>(std::min<int64_t>(sum, kMaxRune + 1));
  return absl::OkStatus();
}

absl::Status Reader::Escape(size_t start, Rune quote, std::string& value, bool& too_large) {
  const Rune rune = Peek();
  constexpr std::string_view kLetters = "abfnrtv\\", kMeanings = "\a\b\f\n\r\t\v\\";
  if (rune == quote) {
    value += static_cast<char>(rune);
    at_++;
    return absl::OkStatus();
  }
  size_t letter = rune > 0 && rune < 0x80 ? kLetters.find(static_cast<char>(rune)) : std::string_view::npos;
  if (letter != std::string_view::npos) {
    value += kMeanings[letter];
    at_++;
    return absl::OkStatus();
  }
  Rune number = 0;
  bool is_byte = rune == 'x' || (rune >= '0' && rune <= '7');
  if (!is_byte && rune != 'u' && rune != 'U') return Fail(start, rune == kBad ? "rune error" : rune == kNull ? "unexpected null" : "illegal escape sequence");
  if (!is_byte || rune == 'x') at_++;
  BK_RETURN_IF_ERROR(Number(start, is_byte && rune != 'x' ? 8 : 16, rune == 'x' ? 2 : rune == 'u' ? 4 : rune == 'U' ? 8 : 3, number));
  too_large = too_large || number > (is_byte ? 255 : kMaxRune);
  if (is_byte) {
    value += static_cast<char>(number);
  } else {
    AppendRune(value, number);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Filter::Term>> ParseFilterTerms(const std::string& text) { return Reader(text).Terms(); }

}  // namespace bk
