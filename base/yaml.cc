#include "base/yaml.h"

#include <re2/re2.h>

#include <optional>
#include <set>

#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr int kMaxDepth = 64;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// A plain scalar as JSON.
std::string ResolveScalar(std::string_view word) {
  static const RE2* const json_number = new RE2(R"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)");
  static const RE2* const octal = new RE2("0o?[0-7]+");
  static const RE2* const hex = new RE2("0x[0-9a-fA-F]+");
  auto is = [&](std::initializer_list<std::string_view> words) {
    for (std::string_view w : words) {
      std::string upper = ToUpper(w), title = std::string(1, upper[0]) + std::string(w.substr(1));
      if (word == w || word == upper || word == title) return true;
    }
    return false;
  };
  if (word == "~" || is({"null"})) return "null";
  if (is({"true", "yes", "on"})) return "true";
  if (is({"false", "no", "off"})) return "false";
  re2::StringPiece piece(word.data(), word.size());
  if (RE2::FullMatch(piece, *json_number)) return std::string(word);
  bool is_octal = RE2::FullMatch(piece, *octal);
  if (is_octal || RE2::FullMatch(piece, *hex)) {
    uint64_t value = 0;
    size_t skip = is_octal ? (word[1] == 'o' ? 2 : 1) : 2;
    if (word.size() - skip > 16) return GoJsonString(word);
    for (char c : word.substr(skip)) value = value * (is_octal ? 8 : 16) + static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    return std::to_string(value);
  }
  return GoJsonString(word);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  absl::StatusOr<std::string> Document() {
    BK_RETURN_IF_ERROR(SkipToContent());
    if (Starts("---") && (i_ + 3 >= text_.size() || IsBlank(text_[i_ + 3]) || AtBreak(3))) i_ += 3;
    BK_TRY(std::string out, Block(0, 0));
    BK_RETURN_IF_ERROR(SkipToContent());
    if (Starts("...")) {
      i_ += 3;
      BK_RETURN_IF_ERROR(SkipToContent());
    }
    if (i_ < text_.size()) return Error("there is something behind the value, or its indentation is odd");
    return out;
  }

 private:
  bool Starts(std::string_view s) const { return text_.substr(i_).starts_with(s); }
  bool AtEnd() const { return i_ >= text_.size(); }
  bool AtBreak(size_t ahead = 0) const { return i_ + ahead >= text_.size() || text_[i_ + ahead] == '\n' || text_[i_ + ahead] == '\r'; }
  size_t Column() const {
    size_t line = text_.substr(0, i_).rfind('\n');
    return line == std::string_view::npos ? i_ : i_ - line - 1;
  }
  absl::Status Error(std::string_view what) const {
    auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(std::min(i_, text_.size())), '\n');
    return InvalidArgument("line ", line, ": ", what);
  }
  // A comment begins the line or stands behind a blank.
  bool AtComment() const { return !AtEnd() && text_[i_] == '#' && (i_ == 0 || IsBlank(text_[i_ - 1]) || text_[i_ - 1] == '\n'); }
  void SkipBlanks() {
    while (!AtEnd() && IsBlank(text_[i_])) i_++;
  }
  void SkipLine() {
    while (!AtEnd() && text_[i_] != '\n') i_++;
  }
  // Over blanks, comments and line breaks; a tab is no indentation of a block.
  absl::Status SkipToContent(bool flow = false) {
    while (true) {
      SkipBlanks();
      if (AtComment()) SkipLine();
      if (AtEnd() || !AtBreak()) break;
      i_++;
    }
    size_t column = Column();
    if (!flow && !AtEnd() && text_.substr(i_ - column, column).find('\t') != std::string_view::npos && TrimSpace(text_.substr(i_ - column, column)).empty()) {
      return Error("a tab indents");
    }
    return absl::OkStatus();
  }
  bool RestOfLineIsEmpty() {
    SkipBlanks();
    return AtBreak() || AtComment();
  }
  bool AtDash() const { return Starts("-") && (i_ + 1 >= text_.size() || IsBlank(text_[i_ + 1]) || AtBreak(1)); }

  // The value whose first character stands in column `least` or further right; else null.
  absl::StatusOr<std::string> Block(size_t least, int depth) {
    if (depth > kMaxDepth) return Error("values are nested too deeply");
    BK_RETURN_IF_ERROR(SkipToContent());
    size_t column = Column();
    if (AtEnd() || column < least) return "null";
    if (AtDash()) return Sequence(column, depth);
    if (AtKey()) return Mapping(column, depth);
    return Inline(depth);
  }

  // A scalar or flow collection, to the end of its line.
  absl::StatusOr<std::string> Inline(int depth) {
    std::string out;
    if (Starts("{") || Starts("[")) {
      BK_ASSIGN(out, Flow(depth));
    } else {
      BK_ASSIGN(out, Scalar(false));
    }
    if (!RestOfLineIsEmpty()) return Error("there is something behind the value");
    return out;
  }

  absl::StatusOr<std::string> Sequence(size_t column, int depth) {
    std::string out = "[";
    while (!AtEnd() && Column() == column && AtDash()) {
      i_++;
      if (out.size() > 1) out += ',';
      BK_TRY(std::string item, Block(column + 1, depth + 1));
      out += item;
      BK_RETURN_IF_ERROR(SkipToContent());
    }
    return out + "]";
  }

  absl::StatusOr<std::string> Mapping(size_t column, int depth) {
    std::string out = "{";
    std::set<std::string> seen;
    while (!AtEnd() && Column() == column && AtKey()) {
      BK_TRY(std::string key, Key());
      if (!seen.insert(key).second) return Error(StrCat("the key ", key, " is there twice"));
      if (out.size() > 1) out += ',';
      out += key + ":";
      std::string value;
      if (!RestOfLineIsEmpty()) {
        BK_ASSIGN(value, Inline(depth + 1));
      } else {
        BK_RETURN_IF_ERROR(SkipToContent());
        // A sequence may stand right below its key.
        if (!AtEnd() && Column() == column && AtDash()) {
          BK_ASSIGN(value, Sequence(column, depth + 1));
        } else {
          BK_ASSIGN(value, Block(column + 1, depth + 1));
        }
      }
      out += value;
      BK_RETURN_IF_ERROR(SkipToContent());
    }
    return out + "}";
  }

  // Whether a key and its colon stand here.
  bool AtKey() {
    size_t from = i_;
    bool found = KeyEnd().has_value();
    i_ = from;
    return found;
  }
  // Moves behind the key; where its colon is.
  std::optional<size_t> KeyEnd() {
    if (Starts("\"") || Starts("'")) {
      if (!Quoted().ok()) return std::nullopt;
    } else {
      if (Starts("{") || Starts("[") || Starts("#")) return std::nullopt;
      while (!AtBreak() && !AtComment() && !AtColon()) i_++;
    }
    SkipBlanks();
    if (!AtColon()) return std::nullopt;
    return i_;
  }
  bool AtColon() const { return Starts(":") && (AtBreak(1) || IsBlank(text_[i_ + 1])); }

  // As JSON text; the cursor goes behind the colon.
  absl::StatusOr<std::string> Key() {
    std::string key;
    if (Starts("\"") || Starts("'")) {
      BK_ASSIGN(key, Quoted());
    } else {
      BK_RETURN_IF_ERROR(CheckPlain());
      size_t from = i_;
      while (!AtColon()) i_++;
      key = GoJsonString(TrimSpace(text_.substr(from, i_ - from)));
    }
    SkipBlanks();
    i_++;
    return key;
  }

  absl::Status CheckPlain() const {
    if (AtEnd()) return Error("a value is missing");
    char c = text_[i_];
    if (c == '&' || c == '*') return Error("anchors and aliases are not read");
    if (c == '!') return Error("tags are not read");
    if (c == '|' || c == '>') return Error("block scalars are not read (put the text into quotes)");
    if (std::string_view("%@`,]}").find(c) != std::string_view::npos) return Error(StrCat("a value cannot begin with ", std::string(1, c)));
    if ((c == '?' || c == '-') && (i_ + 1 >= text_.size() || IsBlank(text_[i_ + 1]) || AtBreak(1))) return Error(StrCat("a value cannot begin with ", std::string(1, c)));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Scalar(bool flow) {
    if (Starts("\"") || Starts("'")) return Quoted();
    BK_RETURN_IF_ERROR(CheckPlain());
    size_t from = i_;
    while (!AtBreak() && !AtComment()) {
      if (flow && (std::string_view(",]}[{").find(text_[i_]) != std::string_view::npos || (text_[i_] == ':' && FlowColon()))) break;
      if (!flow && AtColon()) return Error("a mapping cannot begin here");
      i_++;
    }
    return ResolveScalar(TrimSpace(text_.substr(from, i_ - from)));
  }
  bool FlowColon() const { return AtBreak(1) || IsBlank(text_[i_ + 1]) || std::string_view(",]}[{").find(text_[i_ + 1]) != std::string_view::npos; }

  absl::StatusOr<std::string> Quoted() {
    char quote = text_[i_++];
    std::string out;
    while (true) {
      if (AtBreak()) return Error("a quoted text does not end on its line");
      char c = text_[i_++];
      if (c == quote) {
        if (quote == '\'' && Starts("'")) {
          i_++;
          out += '\'';
          continue;
        }
        break;
      }
      if (c != '\\' || quote == '\'') {
        out += c;
        continue;
      }
      BK_RETURN_IF_ERROR(Escape(out));
    }
    return GoJsonString(out);
  }

  absl::Status Escape(std::string& out) {
    if (AtBreak()) return Error("a quoted text does not end on its line");
    constexpr std::pair<char, char> kSimple[] = {{'0', '\0'}, {'a', '\a'}, {'b', '\b'}, {'t', '\t'}, {'n', '\n'}, {'v', '\v'}, {'f', '\f'}, {'r', '\r'},
                                                 {'e', '\x1b'}, {' ', ' '}, {'"', '"'}, {'/', '/'}, {'\\', '\\'}};
    char c = text_[i_++];
    for (const auto& [name, value] : kSimple) {
      if (c == name) {
        out += value;
        return absl::OkStatus();
      }
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) return Error(StrCat("unknown escape \\", std::string(1, c)));
    BK_TRY(Rune rune, HexRune(digits));
    // A pair of surrogates, as JSON writes what lies beyond 16 bits.
    if (c == 'u' && rune >= 0xd800 && rune < 0xdc00 && Starts("\\u")) {
      i_ += 2;
      BK_TRY(Rune low, HexRune(4));
      rune = 0x10000 + ((rune - 0xd800) << 10) + (low & 0x3ff);
    }
    AppendRune(out, rune);
    return absl::OkStatus();
  }
  absl::StatusOr<Rune> HexRune(size_t digits) {
    uint32_t value = 0;
    for (size_t n = 0; n < digits; n++, i_++) {
      char c = AtEnd() ? ' ' : text_[i_];
      if (!isxdigit(static_cast<unsigned char>(c))) return Error("an escape is cut short");
      value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value > 0x10ffff ? kRuneError : static_cast<Rune>(value);
  }

  absl::StatusOr<std::string> Flow(int depth) {
    if (depth > kMaxDepth) return Error("values are nested too deeply");
    char close = text_[i_] == '{' ? '}' : ']';
    std::string out(1, text_[i_++]);
    std::set<std::string> seen;
    while (true) {
      BK_RETURN_IF_ERROR(SkipToContent(true));
      if (AtEnd()) return Error(StrCat("a ", std::string(1, close), " is missing"));
      if (text_[i_] == close) break;
      if (out.size() > 1) out += ',';
      if (close == '}') {
        BK_TRY(std::string key, FlowKey());
        if (!seen.insert(key).second) return Error(StrCat("the key ", key, " is there twice"));
        out += key + ":";
        BK_RETURN_IF_ERROR(SkipToContent(true));
      }
      BK_TRY(std::string value, FlowValue(depth));
      out += value;
      BK_RETURN_IF_ERROR(SkipToContent(true));
      if (Starts(",")) {
        i_++;
      } else if (AtEnd() || text_[i_] != close) {
        return Error(StrCat("a , or ", std::string(1, close), " is missing"));
      }
    }
    i_++;
    return out + close;
  }
  absl::StatusOr<std::string> FlowValue(int depth) {
    if (Starts("{") || Starts("[")) return Flow(depth + 1);
    if (Starts(",") || Starts("}")) return "null";
    return Scalar(true);
  }
  absl::StatusOr<std::string> FlowKey() {
    bool quoted = Starts("\"") || Starts("'");
    size_t from = i_;
    BK_TRY(std::string key, Scalar(true));
    if (!quoted) key = GoJsonString(TrimSpace(text_.substr(from, i_ - from)));
    BK_RETURN_IF_ERROR(SkipToContent(true));
    if (!Starts(":")) return Error("a : is missing");
    i_++;
    return key;
  }

  std::string_view text_;
  size_t i_ = 0;
};

}  // namespace

absl::StatusOr<std::string> YamlToJson(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return Reader(text).Document();
}

}  // namespace bk
