#include "base/go_template/lexer.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/status.h"
#include "base/unicode.h"

namespace bk::go_template {
namespace {

constexpr std::string_view kLeft = "{{", kRight = "}}", kCommentStart = "/*", kCommentEnd = "*/", kSpaces = " \t\r\n";
constexpr std::array<std::string_view, 10> kKeywords = {"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"};

bool IsSpaceByte(char c) { return kSpaces.find(c) != std::string_view::npos; }
bool IsWordRune(Rune rune) { return rune == '_' || IsLetter(rune) || IsDigit(rune); }

// "U+007D '}'"
std::string RuneName(Rune rune) {
  char text[32];
  std::snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(rune));
  return IsPrint(rune) ? StrCat(std::string_view(text), " '", RuneToString(rune), "'") : text;
}

}  // namespace

std::string Token::Name() const {
  if (kind == TokenKind::kEnd) return "EOF";
  if (kind == TokenKind::kError) return text;
  bool word = kind == TokenKind::kKeyword || kind == TokenKind::kDot || kind == TokenKind::kNil;
  if (word) return "<" + text + ">";
  if (text.size() <= 10) return Quote(text);
  size_t end = 0;
  for (int n = 0; n < 10 && end < text.size(); n++) end += DecodeRune(std::string_view(text).substr(end)).width;
  return Quote(text.substr(0, end)) + "...";
}

Token Lexer::Make(TokenKind kind, size_t end) {
  Token token{kind, at_, line_, std::string(source_.substr(at_, end - at_))};
  line_ += static_cast<int>(std::count(token.text.begin(), token.text.end(), '\n'));
  at_ = end;
  return token;
}

Token Lexer::Error(std::string text) {
  done_ = true;
  return Token{TokenKind::kError, at_, line_, std::move(text)};
}

Token Lexer::Next() {
  if (done_) return Token{TokenKind::kEnd, source_.size(), line_, ""};
  return inside_ ? Inside() : Text();
}

Token Lexer::Text() {
  if (std::exchange(trim_next_, false)) Make(TokenKind::kText, std::min(source_.find_first_not_of(kSpaces, at_), source_.size()));
  size_t left = source_.find(kLeft, at_);
  if (left == std::string_view::npos) {
    if (at_ < source_.size()) return Make(TokenKind::kText, source_.size());
    done_ = true;
    return Token{TokenKind::kEnd, at_, line_, ""};
  }
  // "{{- " takes the spaces before it.
  size_t end = left;
  bool trims = left + 3 < source_.size() && source_[left + 2] == '-' && IsSpaceByte(source_[left + 3]);
  while (trims && end > at_ && IsSpaceByte(source_[end - 1])) end--;
  if (end > at_) {
    Token token = Make(TokenKind::kText, end);
    Make(TokenKind::kText, left);
    return token;
  }
  Make(TokenKind::kText, left);
  return LeftDelimiter();
}

Token Lexer::LeftDelimiter() {
  bool trims = at_ + 3 < source_.size() && source_[at_ + 2] == '-' && IsSpaceByte(source_[at_ + 3]);
  size_t after = at_ + kLeft.size() + (trims ? 2 : 0);
  if (source_.substr(after).starts_with(kCommentStart)) {
    size_t end = source_.find(kCommentEnd, after + kCommentStart.size());
    if (end == std::string_view::npos) return Make(TokenKind::kText, after), Error("unclosed comment");
    bool right_trims = false;
    end += kCommentEnd.size();
    if (!AtRightDelimiter(end, right_trims)) return Make(TokenKind::kText, end), Error("comment ends before closing delimiter");
    Make(TokenKind::kText, end + (right_trims ? 2 : 0) + kRight.size());
    trim_next_ = right_trims;
    return Text();
  }
  Token token = Make(TokenKind::kLeftDelimiter, at_ + kLeft.size());
  Make(TokenKind::kText, after);
  inside_ = true;
  parens_ = 0;
  return token;
}

bool Lexer::AtRightDelimiter(size_t position, bool& trims) const {
  std::string_view rest = source_.substr(position);
  trims = rest.size() >= 2 && IsSpaceByte(rest[0]) && rest[1] == '-' && rest.substr(2).starts_with(kRight);
  return trims || rest.starts_with(kRight);
}

Token Lexer::Inside() {
  bool trims = false;
  if (AtRightDelimiter(at_, trims)) {
    if (parens_ > 0) return Error("unclosed left paren");
    if (trims) Make(TokenKind::kText, at_ + 2);
    inside_ = false;
    trim_next_ = trims;
    return Make(TokenKind::kRightDelimiter, at_ + kRight.size());
  }
  if (at_ >= source_.size()) return Error("unclosed action");
  char c = source_[at_];
  if (IsSpaceByte(c)) {
    size_t end = at_;
    // " -}}" belongs to the delimiter.
    while (end < source_.size() && IsSpaceByte(source_[end]) && !(AtRightDelimiter(end, trims) && trims)) end++;
    return Make(TokenKind::kSpace, end);
  }
  bool digit_follows = at_ + 1 < source_.size() && source_[at_ + 1] >= '0' && source_[at_ + 1] <= '9';
  switch (c) {
    case '=': return Make(TokenKind::kAssign, at_ + 1);
    case ':': return source_.substr(at_).starts_with(":=") ? Make(TokenKind::kDeclare, at_ + 2) : Error("expected :=");
    case '|': return Make(TokenKind::kPipe, at_ + 1);
    case '"':
    case '`':
    case '\'': return Quoted(c);
    case '$': return FieldOrVariable(TokenKind::kVariable);
    case '(': parens_++; return Make(TokenKind::kLeftParen, at_ + 1);
    case ')':
      if (parens_ == 0) return Error("unexpected right paren");
      parens_--;
      return Make(TokenKind::kRightParen, at_ + 1);
    case '.': return digit_follows ? Number() : FieldOrVariable(TokenKind::kField);
    default: break;
  }
  if (c == '+' || c == '-' || (c >= '0' && c <= '9')) return Number();
  Rune rune = DecodeRune(source_.substr(at_)).rune;
  if (IsWordRune(rune)) return Word(at_);
  if (rune < 0x80 && IsPrint(rune)) return Make(TokenKind::kCharacter, at_ + 1);
  return Error("unrecognized character in action: " + RuneName(rune));
}

size_t Lexer::WordEnd(size_t position) const {
  while (position < source_.size()) {
    DecodedRune rune = DecodeRune(source_.substr(position));
    if (!IsWordRune(rune.rune)) break;
    position += rune.width;
  }
  return position;
}

bool Lexer::AtTerminator(size_t position) const {
  if (position >= source_.size() || IsSpaceByte(source_[position])) return true;
  return std::string_view(".,|:)(").find(source_[position]) != std::string_view::npos || source_.substr(position).starts_with(kRight);
}

Token Lexer::Word(size_t start) {
  size_t end = WordEnd(start);
  if (!AtTerminator(end)) return Error("bad character " + RuneName(DecodeRune(source_.substr(end)).rune));
  std::string_view word = source_.substr(start, end - start);
  TokenKind kind = TokenKind::kName;
  if (std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end()) kind = TokenKind::kKeyword;
  if (word == "true" || word == "false") kind = TokenKind::kBool;
  if (word == "nil") kind = TokenKind::kNil;
  return Make(kind, end);
}

Token Lexer::FieldOrVariable(TokenKind kind) {
  size_t start = at_ + 1;
  if (AtTerminator(start)) return Make(kind == TokenKind::kVariable ? kind : TokenKind::kDot, start);
  size_t end = WordEnd(start);
  if (!AtTerminator(end)) return Error("bad character " + RuneName(DecodeRune(source_.substr(end)).rune));
  return Make(kind, end);
}

Token Lexer::Number() {
  size_t end = at_;
  auto accept = [&](std::string_view set) {
    bool found = end < source_.size() && set.find(source_[end]) != std::string_view::npos;
    end += found;
    return found;
  };
  accept("+-");
  std::string_view digits = "0123456789_";
  if (accept("0")) {
    if (accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
    } else if (accept("oO")) {
      digits = "01234567_";
    } else if (accept("bB")) {
      digits = "01_";
    }
  }
  while (accept(digits)) {
  }
  if (accept(".")) {
    while (accept(digits)) {
    }
  }
  bool decimal = digits.size() == 11, hex = digits.size() > 11;
  if ((decimal && accept("eE")) || (hex && accept("pP"))) {
    accept("+-");
    while (accept("0123456789_")) {
    }
  }
  accept("i");
  DecodedRune next = DecodeRune(source_.substr(end));
  if (end < source_.size() && IsWordRune(next.rune)) return Error("bad number syntax: " + Quote(source_.substr(at_, end + next.width - at_)));
  // "1+2i"
  if (end < source_.size() && (source_[end] == '+' || source_[end] == '-')) return Error("complex numbers are not built");
  return Make(TokenKind::kNumber, end);
}

Token Lexer::Quoted(char quote) {
  for (size_t end = at_ + 1; end < source_.size(); end++) {
    char c = source_[end];
    if (c == quote) return Make(quote == '"' ? TokenKind::kString : quote == '`' ? TokenKind::kRawString : TokenKind::kRune, end + 1);
    if (quote == '`') continue;
    if (c == '\n') break;
    if (c != '\\') continue;
    if (++end >= source_.size() || source_[end] == '\n') break;
  }
  return Error(quote == '"' ? "unterminated quoted string" : quote == '`' ? "unterminated raw quoted string" : "unterminated character constant");
}

}  // namespace bk::go_template
