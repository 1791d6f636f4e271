#include "base/go_template/format.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/unicode.h"

namespace bk::go_template {
namespace {

constexpr int kMaxNumber = 1'000'000;  // of a width or precision
constexpr int kMaxDepth = 100;         // of nested values

struct Flags {
  bool minus = false, plus = false, sharp = false, space = false, zero = false;
  int width = -1, precision = -1;
};

bool Negative(const Flags& flags, bool negative) { return negative || flags.plus || flags.space; }

std::string Padded(const Flags& flags, std::string text, char fill = ' ') {
  size_t columns = Runes(text).size();
  if (flags.width < 0 || columns >= static_cast<size_t>(flags.width)) return text;
  std::string padding(static_cast<size_t>(flags.width) - columns, flags.minus ? ' ' : fill);
  return flags.minus ? text + padding : padding + text;
}

std::string Digits(uint64_t value, int base, bool upper) {
  char text[80];
  auto end = std::to_chars(text, text + sizeof text, value, base);
  std::string out(text, end.ptr);
  return upper ? ToUpper(out) : out;
}

std::string Integer(Flags flags, bool negative, uint64_t value, char verb) {
  int base = verb == 'b' ? 2 : verb == 'o' || verb == 'O' ? 8 : verb == 'x' || verb == 'X' ? 16 : 10;
  std::string digits = Digits(value, base, verb == 'X');
  int least = 0;
  if (flags.precision >= 0) {
    least = flags.precision;
    if (least == 0 && value == 0) return Padded(flags, "");
  } else if (flags.zero && !flags.minus && flags.width >= 0) {
    least = flags.width - (Negative(flags, negative) ? 1 : 0);
  }
  if (static_cast<int>(digits.size()) < least) digits.insert(0, static_cast<size_t>(least) - digits.size(), '0');
  if (flags.sharp && base == 2) digits.insert(0, "0b");
  if (flags.sharp && verb == 'o' && digits[0] != '0') digits.insert(0, "0");
  if (flags.sharp && base == 16) digits.insert(0, verb == 'X' ? "0X" : "0x");
  if (verb == 'O') digits.insert(0, "0o");
  if (negative) {
    digits.insert(0, "-");
  } else if (flags.plus || flags.space) {
    digits.insert(0, flags.plus ? "+" : " ");
  }
  return Padded(flags, digits);
}

// %g with as many digits as the number needs.
std::string Shortest(double value, bool upper) {
  constexpr int kLeastExponent = -4, kExponentEnd = 6;  // outside: %e
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  std::string scientific(text, end.ptr);
  size_t e = scientific.find('e');
  int exponent = std::atoi(scientific.c_str() + e + 1);
  std::string out = scientific;
  if (exponent >= kLeastExponent && exponent < kExponentEnd) {
    end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
    out.assign(text, end.ptr);
  }
  return upper ? ToUpper(out) : out;
}

std::string Real(Flags flags, double value, char verb) {
  std::string out;
  if (std::isnan(value)) {
    out = "NaN";
  } else if (std::isinf(value)) {
    out = value < 0 ? "-Inf" : "+Inf";
  } else if ((verb == 'v' || verb == 'g' || verb == 'G') && flags.precision < 0) {
    out = Shortest(value, verb == 'G');
  } else {
    char form[] = {'%', '.', '*', verb == 'v' ? 'g' : verb, 0};
    int precision = flags.precision < 0 ? 6 : std::min(flags.precision, 500);
    char text[1024];
    std::snprintf(text, sizeof text, form, precision, value);
    out = text;
  }
  if (out[0] == '+' && !flags.plus) out.erase(0, 1);
  if (out[0] != '-' && out[0] != '+' && (flags.plus || flags.space)) out.insert(0, flags.plus ? "+" : " ");
  if (!flags.zero || flags.minus || flags.width < 0 || std::isnan(value) || std::isinf(value)) return Padded(flags, out);
  size_t sign = out[0] == '-' || out[0] == '+' || out[0] == ' ' ? 1 : 0;
  if (out.size() < static_cast<size_t>(flags.width)) out.insert(sign, static_cast<size_t>(flags.width) - out.size(), '0');
  return out;
}

std::string Hex(const Flags& flags, std::string_view bytes, bool upper) {
  if (flags.precision >= 0) bytes = bytes.substr(0, static_cast<size_t>(flags.precision));
  std::string out;
  for (size_t i = 0; i < bytes.size(); i++) {
    if (flags.space && i > 0) out += ' ';
    if (flags.sharp && (flags.space || i == 0)) out += upper ? "0X" : "0x";
    char text[8];
    std::snprintf(text, sizeof text, upper ? "%02X" : "%02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
    out += text;
  }
  return Padded(flags, out);
}

std::string Cut(const Flags& flags, std::string_view text) {
  if (flags.precision < 0) return std::string(text);
  size_t end = 0;
  for (int n = 0; n < flags.precision && end < text.size(); n++) end += DecodeRune(text.substr(end)).width;
  return std::string(text.substr(0, end));
}

// %+q: everything beyond ASCII escaped.
std::string AsciiQuoted(std::string_view text) {
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    DecodedRune rune = DecodeRune(rest);
    std::string piece = Quote(rest.substr(0, rune.width));
    char escape[16];
    std::snprintf(escape, sizeof escape, rune.rune > 0xffff ? "\\U%08x" : "\\u%04x", static_cast<unsigned>(rune.rune));
    out += rune.rune >= 0x80 && rune.width > 1 ? escape : piece.substr(1, piece.size() - 2);
    rest.remove_prefix(rune.width);
  }
  return "\"" + out + "\"";
}

std::string QuotedRune(Rune rune) {
  std::string text = Quote(RuneToString(rune));
  text = text.substr(1, text.size() - 2);
  if (rune == '\'') text = "\\'";
  if (rune == '"') text = "\"";
  return "'" + text + "'";
}

// Prints one value with one verb.
class Printer {
 public:
  Printer(Flags flags, char verb) : flags_(flags), verb_(verb), go_syntax_(verb == 'v' && flags.sharp), names_(verb == 'v' && flags.plus) {
    if (verb == 'v') flags_.sharp = flags_.plus = false;
  }

  std::string Print(const Value& value, int depth = 0) {
    if (depth > kMaxDepth) return "...";
    if (!value.valid()) return verb_ == 'v' ? Padded(flags_, "<nil>") : Bad(value);
    if (value.type().text && !go_syntax_ && std::string_view("vsxXq").find(verb_) != std::string_view::npos) {
      if (value.kind() == Kind::kPointer && value.nil()) return Padded(flags_, "<nil>");
      return PrintText(value.type().text(value), value);
    }
    switch (value.kind()) {
      case Kind::kInvalid: return Bad(value);
      case Kind::kBool: return verb_ == 't' || verb_ == 'v' ? Padded(flags_, value.boolean() ? "true" : "false") : Bad(value);
      case Kind::kInt: return PrintInteger(value, value.integer() < 0, value.integer() < 0 ? uint64_t{0} - value.natural() : value.natural());
      case Kind::kUint: return PrintInteger(value, false, value.natural());
      case Kind::kFloat: return std::string_view("veEfFgG").find(verb_) != std::string_view::npos ? Real(flags_, value.real(), verb_) : Bad(value);
      case Kind::kString: return PrintText(value.text(), value);
      case Kind::kSlice: return PrintSlice(value, depth);
      case Kind::kMap: return PrintMap(value, depth);
      case Kind::kStruct: return PrintStruct(value, depth);
      case Kind::kPointer: return PrintPointer(value, depth);
    }
    return "";
  }

  std::string Bad(const Value& value) {
    std::string verb(1, verb_);
    if (!value.valid()) return "%!" + verb + "(<nil>)";
    return StrCat("%!", verb, "(", value.type_name(), "=", Text(value), ")");
  }

 private:
  std::string PrintText(const std::string& text, const Value& value) {
    switch (verb_) {
      case 'v': return Padded(flags_, go_syntax_ ? Quote(Cut(flags_, text)) : Cut(flags_, text));
      case 's': return Padded(flags_, Cut(flags_, text));
      case 'x':
      case 'X': return Hex(flags_, text, verb_ == 'X');
      case 'q':
        if (flags_.sharp && text.find('`') == std::string::npos) return Padded(flags_, "`" + Cut(flags_, text) + "`");
        return Padded(flags_, flags_.plus ? AsciiQuoted(Cut(flags_, text)) : Quote(Cut(flags_, text)));
      default: return Bad(value);
    }
  }

  std::string PrintInteger(const Value& value, bool negative, uint64_t magnitude) {
    auto rune = static_cast<Rune>(magnitude > 0x10ffff || negative ? kRuneError : static_cast<Rune>(magnitude));
    switch (verb_) {
      case 'v':
      case 'd': return Integer(flags_, negative, magnitude, 'd');
      case 'b':
      case 'o':
      case 'O':
      case 'x':
      case 'X': return Integer(flags_, negative, magnitude, verb_);
      case 'c': return Padded(flags_, RuneToString(rune));
      case 'q': return Padded(flags_, QuotedRune(rune));
      case 'U': {
        std::string digits = Digits(magnitude, 16, true);
        if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
        return Padded(flags_, "U+" + digits + (flags_.sharp && IsPrint(rune) ? " '" + RuneToString(rune) + "'" : ""));
      }
      default: return Bad(value);
    }
  }

  std::string PrintSlice(const Value& value, int depth) {
    bool bytes = value.type_name() == "[]uint8";
    if (bytes && std::string_view("sqxX").find(verb_) != std::string_view::npos) {
      std::string raw;
      for (size_t i = 0; i < value.size(); i++) raw += static_cast<char>(value.item(i).natural());
      return PrintText(raw, value);
    }
    if (go_syntax_ && value.nil()) return value.type_name() + "(nil)";
    std::string out = go_syntax_ ? value.type_name() + "{" : "[";
    for (size_t i = 0; i < value.size() && out.size() < kMaxTextBytes; i++) out += (i == 0 ? "" : go_syntax_ ? ", " : " ") + Print(value.item(i), depth + 1);
    return out + (go_syntax_ ? "}" : "]");
  }

  std::string PrintMap(const Value& value, int depth) {
    if (go_syntax_ && value.nil()) return value.type_name() + "(nil)";
    std::string out = go_syntax_ ? value.type_name() + "{" : "map[";
    for (size_t i = 0; i < value.size() && out.size() < kMaxTextBytes; i++) {
      out += (i == 0 ? "" : go_syntax_ ? ", " : " ") + Print(value.key(i), depth + 1) + ":" + Print(value.item(i), depth + 1);
    }
    return out + (go_syntax_ ? "}" : "]");
  }

  std::string PrintStruct(const Value& value, int depth) {
    std::string out = go_syntax_ ? value.type_name() + "{" : "{";
    bool first = true;
    for (const Field& field : value.fields()) {
      if (!std::exchange(first, false)) out += go_syntax_ ? ", " : " ";
      if (names_ || go_syntax_) out += field.name + ":";
      out += Print(*field.value, depth + 1);
    }
    return out + "}";
  }

  std::string PrintPointer(const Value& value, int depth) {
    Kind target = value.target().kind();
    bool shown = depth == 0 && !value.nil() && (target == Kind::kStruct || target == Kind::kSlice || target == Kind::kMap);
    if (shown) return "&" + Print(value.target(), depth + 1);
    if (verb_ != 'v' && verb_ != 'p') return Bad(value);
    if (value.nil()) return Padded(flags_, verb_ == 'p' ? "%!p(<nil>)" : "<nil>");
    return Padded(flags_, "0x" + Digits(reinterpret_cast<uintptr_t>(value.address()), 16, false));
  }

  Flags flags_;
  const char verb_;
  const bool go_syntax_, names_;
};

// Reads a format from left to right beside its arguments.
class Formatter {
 public:
  Formatter(std::string_view format, std::span<const Value> values) : rest_(format), values_(values) {}

  std::string Run() {
    while (!rest_.empty() && out_.size() < kMaxTextBytes) {
      size_t percent = rest_.find('%');
      out_ += rest_.substr(0, percent);
      if (percent == std::string_view::npos) break;
      rest_.remove_prefix(percent + 1);
      Verb();
    }
    if (!reordered_ && next_ < values_.size()) Extra();
    return std::move(out_);
  }

 private:
  bool At(char c) const { return !rest_.empty() && rest_[0] == c; }
  bool Take(char c) {
    if (!At(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void Verb() {
    Flags flags;
    index_good_ = true;
    for (bool more = true; more && !rest_.empty();) {
      switch (rest_[0]) {
        case '#': flags.sharp = true; break;
        case '0': flags.zero = true; break;
        case '+': flags.plus = true; break;
        case '-': flags.minus = true; break;
        case ' ': flags.space = true; break;
        default: more = false;
      }
      if (more) rest_.remove_prefix(1);
    }
    bool indexed = Index();
    if (Take('*')) {
      int width = 0;
      if (Star(width)) {
        flags.width = std::abs(width);
        flags.minus = flags.minus || width < 0;
      } else {
        out_ += "%!(BADWIDTH)";
      }
      indexed = false;
    } else if (Number(flags.width) && indexed) {
      index_good_ = false;  // "%[3]2d"
    }
    if (Take('.')) {
      if (indexed) index_good_ = false;  // "%[3].2d"
      indexed = Index();
      if (Take('*')) {
        if (!Star(flags.precision) || flags.precision < 0) flags.precision = -1, out_ += "%!(BADPREC)";
        indexed = false;
      } else if (!Number(flags.precision)) {
        flags.precision = 0;
      }
    }
    if (!indexed) Index();
    Finish(flags);
  }

  void Finish(const Flags& flags) {
    if (rest_.empty()) {
      out_ += "%!(NOVERB)";
      return;
    }
    DecodedRune rune = DecodeRune(rest_);
    std::string verb(rest_.substr(0, rune.width));
    rest_.remove_prefix(rune.width);
    if (verb == "%") {
      out_ += '%';
    } else if (!index_good_) {
      out_ += "%!" + verb + "(BADINDEX)";
    } else if (next_ >= values_.size()) {
      out_ += "%!" + verb + "(MISSING)";
    } else {
      const Value& value = values_[next_++];
      bool known = verb.size() == 1 && (verb[0] & 0x80) == 0;
      if (verb == "T") {
        out_ += Padded(flags, value.type_name());
      } else {
        out_ += known ? Printer(flags, verb[0]).Print(value) : "%!" + verb + "(" + (value.valid() ? value.type_name() + "=" + Text(value) : "<nil>") + ")";
      }
    }
  }

  // "[2]": the argument that comes next.
  bool Index() {
    if (!At('[')) return false;
    reordered_ = true;
    size_t end = rest_.find(']');
    if (end == std::string_view::npos) {
      index_good_ = false;
      rest_.remove_prefix(1);
      return false;
    }
    std::string_view inside = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    size_t number = 0;
    auto read = std::from_chars(inside.data(), inside.data() + inside.size(), number);
    bool good = read.ec == std::errc() && read.ptr == inside.data() + inside.size() && number >= 1 && number <= values_.size();
    if (!good) {
      index_good_ = false;
      return true;
    }
    next_ = number - 1;
    return true;
  }

  bool Star(int& out) {
    if (next_ >= values_.size()) return false;
    const Value& value = values_[next_++];
    bool good = value.kind() == Kind::kInt && value.integer() >= -kMaxNumber && value.integer() <= kMaxNumber;
    if (good) out = static_cast<int>(value.integer());
    return good;
  }

  bool Number(int& out) {
    size_t size = 0;
    while (size < rest_.size() && rest_[size] >= '0' && rest_[size] <= '9') size++;
    if (size == 0) return false;
    int number = 0;
    auto read = std::from_chars(rest_.data(), rest_.data() + size, number);
    rest_.remove_prefix(size);
    if (read.ec != std::errc() || number > kMaxNumber) return false;
    out = number;
    return true;
  }

  void Extra() {
    out_ += "%!(EXTRA ";
    for (size_t i = next_; i < values_.size(); i++) {
      if (i > next_) out_ += ", ";
      out_ += values_[i].valid() ? values_[i].type_name() + "=" + Text(values_[i]) : "<nil>";
    }
    out_ += ")";
  }

  std::string_view rest_;
  const std::span<const Value> values_;
  std::string out_;
  size_t next_ = 0;
  bool reordered_ = false, index_good_ = true;
};

}  // namespace

std::string Text(const Value& value) { return Printer({}, 'v').Print(value); }

std::string Sprint(std::span<const Value> values) {
  std::string out;
  for (size_t i = 0; i < values.size(); i++) {
    bool texts = values[i].kind() == Kind::kString || (i > 0 && values[i - 1].kind() == Kind::kString);
    if (i > 0 && !texts) out += ' ';
    out += Text(values[i]);
  }
  return out;
}

std::string Sprintln(std::span<const Value> values) {
  std::string out;
  for (const Value& value : values) out += (out.empty() && &value == values.data() ? "" : " ") + Text(value);
  return out + "\n";
}

std::string Sprintf(std::string_view format, std::span<const Value> values) { return Formatter(format, values).Run(); }

}  // namespace bk::go_template
