#include "daemon/frontend/dockerfile/parse/json_array.h"

#include "base/unicode.h"

namespace bk::dockerfile {
namespace {

constexpr int kMaxDepth = 10000;  // as encoding/json

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<JsonArray> Array() {
    JsonArray array;
    if (!Take('[')) return std::nullopt;
    if (!Take(']')) {
      do {
        SkipBlanks();
        if (rest_.starts_with('"')) {
          std::string text;
          if (!String(text)) return std::nullopt;
          array.strings.push_back(std::move(text));
        } else {
          array.only_strings = false;
          if (!Value(1)) return std::nullopt;
        }
      } while (Take(','));
      if (!Take(']')) return std::nullopt;
    }
    SkipBlanks();
    if (!rest_.empty()) return std::nullopt;
    return array;
  }

 private:
  void SkipBlanks() {
    size_t end = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(std::min(end, rest_.size()));
  }
  bool Take(char c) {
    SkipBlanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Word(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  size_t Digits() {
    size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') n++;
    rest_.remove_prefix(n);
    return n;
  }
  bool Number() {
    Word("-");
    if (!Word("0") && Digits() == 0) return false;
    if (Word(".") && Digits() == 0) return false;
    if (Word("e") || Word("E")) {
      if (!Word("+")) Word("-");
      return Digits() > 0;
    }
    return true;
  }
  bool Value(int depth) {
    if (depth > kMaxDepth) return false;
    SkipBlanks();
    if (rest_.empty()) return false;
    std::string ignored;
    switch (rest_[0]) {
      case '"': return String(ignored);
      case 't': return Word("true");
      case 'f': return Word("false");
      case 'n': return Word("null");
      case '[':
      case '{': return Container(depth);
      default: return Number();
    }
  }
  bool Container(int depth) {
    bool object = rest_[0] == '{';
    char close = object ? '}' : ']';
    rest_.remove_prefix(1);
    if (Take(close)) return true;
    do {
      std::string key;
      SkipBlanks();
      if (object && (!rest_.starts_with('"') || !String(key) || !Take(':'))) return false;
      if (!Value(depth + 1)) return false;
    } while (Take(','));
    return Take(close);
  }
  // Four hex digits, -1 if there are none.
  int32_t Hex4() {
    if (rest_.size() < 4) return -1;
    int32_t value = 0;
    for (char c : rest_.substr(0, 4)) {
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return -1;
      value = value << 4 | digit;
    }
    rest_.remove_prefix(4);
    return value;
  }
  bool Escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    char c = rest_[0];
    rest_.remove_prefix(1);
    if (size_t at = kNames.find(c); at != std::string_view::npos) {
      out += kValues[at];
      return true;
    }
    if (c != 'u') return false;
    int32_t unit = Hex4();
    if (unit < 0) return false;
    if (unit >= 0xd800 && unit < 0xdc00 && rest_.starts_with("\\u")) {
      std::string_view before = rest_;
      rest_.remove_prefix(2);
      int32_t low = Hex4();
      if (low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      } else {
        rest_ = before;  // a lone surrogate; what follows stands for itself
      }
    }
    AppendRune(out, unit);
    return true;
  }
  bool String(std::string& out) {
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      char c = rest_[0];
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '"') return rest_.remove_prefix(1), true;
      if (c == '\\') {
        rest_.remove_prefix(1);
        if (!Escape(out)) return false;
        continue;
      }
      DecodedRune d = DecodeRune(rest_);
      AppendRune(out, d.rune);
      rest_.remove_prefix(d.width);
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<JsonArray> ParseJsonArray(std::string_view text) { return Reader(text).Array(); }

}  // namespace bk::dockerfile
