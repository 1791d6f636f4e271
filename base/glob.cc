#include "base/glob.h"

#include <vector>

#include "base/unicode.h"

namespace bk {
namespace {

struct Token {
  enum Kind { kByte, kAnyRune, kStar, kClass } kind;
  char byte = 0;
  bool negated = false;
  std::vector<std::pair<Rune, Rune>> ranges;
};

absl::Status BadPattern() { return InvalidArgument("syntax error in pattern"); }

// One bound of a class: takes it from the front of `rest`; something must follow.
absl::StatusOr<Rune> TakeBound(std::string_view& rest) {
  if (rest.empty() || rest[0] == '-' || rest[0] == ']') return BadPattern();
  if (rest[0] == '\\') rest.remove_prefix(1);
  if (rest.empty()) return BadPattern();
  DecodedRune d = DecodeRune(rest);
  if (d.rune == kRuneError && d.width == 1) return BadPattern();
  rest.remove_prefix(d.width);
  if (rest.empty()) return BadPattern();
  return d.rune;
}

absl::StatusOr<Token> TakeClass(std::string_view& rest) {
  Token token{Token::kClass};
  rest.remove_prefix(1);
  if (!rest.empty() && rest[0] == '^') {
    token.negated = true;
    rest.remove_prefix(1);
  }
  while (rest.empty() || rest[0] != ']' || token.ranges.empty()) {
    BK_TRY(Rune low, TakeBound(rest));
    Rune high = low;
    if (rest[0] == '-') {
      rest.remove_prefix(1);
      BK_TRY(high, TakeBound(rest));
    }
    token.ranges.emplace_back(low, high);
  }
  rest.remove_prefix(1);
  return token;
}

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view rest) {
  std::vector<Token> tokens;
  while (!rest.empty()) {
    switch (rest[0]) {
      case '*':
        if (tokens.empty() || tokens.back().kind != Token::kStar) tokens.push_back({Token::kStar});
        break;
      case '?': tokens.push_back({Token::kAnyRune}); break;
      case '[': {
        BK_TRY(Token token, TakeClass(rest));
        tokens.push_back(std::move(token));
        continue;
      }
      case '\\':
        rest.remove_prefix(1);
        if (rest.empty()) return BadPattern();
        [[fallthrough]];
      default: tokens.push_back({Token::kByte, rest[0]});
    }
    rest.remove_prefix(1);
  }
  return tokens;
}

// Bytes of `name` that the token takes, 0 if it does not match.
size_t MatchOne(const Token& token, std::string_view name) {
  if (name.empty()) return 0;
  if (token.kind == Token::kByte) return name[0] == token.byte ? 1 : 0;
  DecodedRune d = DecodeRune(name);
  if (token.kind == Token::kAnyRune) return name[0] == '/' ? 0 : d.width;
  bool found = false;
  for (auto [low, high] : token.ranges) found = found || (low <= d.rune && d.rune <= high);
  return found != token.negated ? d.width : 0;
}

}  // namespace

absl::StatusOr<bool> GlobMatch(std::string_view pattern, std::string_view name) {
  BK_TRY(std::vector<Token> tokens, Tokenize(pattern));
  // Only the last star is ever tried again: where an earlier piece first matches decides, as in the reference.
  size_t t = 0, n = 0, star = std::string_view::npos, star_end = 0;
  while (t < tokens.size() || n < name.size()) {
    if (t < tokens.size() && tokens[t].kind == Token::kStar) {
      star = t++;
      star_end = n;
      continue;
    }
    size_t width = t < tokens.size() ? MatchOne(tokens[t], name.substr(n)) : 0;
    if (width > 0) {
      t++;
      n += width;
      continue;
    }
    if (star == std::string_view::npos || star_end >= name.size() || name[star_end] == '/') return false;
    n = ++star_end;
    t = star + 1;
  }
  return true;
}

absl::Status CheckGlob(std::string_view pattern) { return Tokenize(pattern).status(); }

}  // namespace bk
