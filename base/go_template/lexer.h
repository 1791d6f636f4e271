// A template's source as tokens: text, and the words within {{ }}. Trim markers and comments end here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::go_template {

enum class TokenKind {
  kError, kEnd, kText, kLeftDelimiter, kRightDelimiter, kSpace, kDeclare, kAssign, kPipe, kLeftParen, kRightParen, kCharacter,
  kBool, kRune, kNumber, kString, kRawString, kField, kVariable, kName, kDot, kNil, kKeyword,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t position = 0;
  int line = 1;
  std::string text;  // of an error: its text
  // As error texts name it.
  std::string Name() const;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  // After an error and after the end: the end.
  Token Next();

 private:
  Token Make(TokenKind kind, size_t end);
  Token Error(std::string text);
  Token Text();
  Token LeftDelimiter();
  Token Inside();
  Token Word(size_t start);
  Token FieldOrVariable(TokenKind kind);
  Token Number();
  Token Quoted(char quote);
  bool AtTerminator(size_t position) const;
  bool AtRightDelimiter(size_t position, bool& trims) const;
  size_t WordEnd(size_t position) const;

  const std::string_view source_;
  size_t at_ = 0;
  int line_ = 1, parens_ = 0;
  bool inside_ = false, done_ = false, trim_next_ = false;
};

}  // namespace bk::go_template
