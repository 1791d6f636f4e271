// Quotes, escapes and $variables of Dockerfile words.
//
// Follows bash where the reference does: ${x:-w} ${x:+w} ${x:?w} (with and without colon), ${x#p} ${x##p} ${x%p} ${x%%p},
// ${x/p/r} ${x//p/r}. Its oddities are kept, see `words` below. Nesting and the size of a result are bounded, since a few
// lines of ARG can otherwise ask for any amount of memory. Thread-safe (a Lex is constant data).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unicode.h"

namespace bk::dockerfile {

// Where variables come from.
class Variables {
 public:
  virtual ~Variables() = default;
  virtual std::optional<std::string_view> Get(std::string_view name) const = 0;
};

class NoVariables final : public Variables {
 public:
  std::optional<std::string_view> Get(std::string_view) const override { return std::nullopt; }
};

struct LexOptions {
  bool raw_quotes = false;    // quotes stay in the result
  bool raw_escapes = false;   // escapes stay in the result
  bool skip_quotes = false;   // quotes mean nothing
  bool skip_unset = false;    // references to unset variables stay as they are
};

struct Expansion {
  std::string word;
  // `word` split at blanks outside quotes, after expansion. Text that stands before a nested ${x:-w} in the same word is
  // lost, as it is in the reference.
  std::vector<std::string> words;
  std::set<std::string> matched, unmatched;  // names that were set, and not set
};

class Lex {
 public:
  explicit Lex(Rune escape, LexOptions options = {}) : escape_(escape), options_(options) {}

  // InvalidArgument(`failed to process "WORD": …`) for bad syntax or `?`; `out` then holds the names seen so far.
  absl::Status Process(std::string_view word, const Variables& variables, Expansion& out) const;
  Rune escape() const { return escape_; }

  // Just the word.
  absl::StatusOr<std::string> Word(std::string_view word, const Variables& variables) const;

 private:
  Rune escape_;
  LexOptions options_;
};

}  // namespace bk::dockerfile
