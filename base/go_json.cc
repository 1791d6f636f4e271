#include "base/go_json.h"

#include "base/digest.h"

namespace bk {
namespace {

// Length of the valid UTF-8 sequence at `i`, 0 if there is none (overlong forms, surrogates and > U+10FFFF are invalid).
size_t Utf8Length(std::string_view s, size_t i, uint32_t& rune) {
  auto byte = [&](size_t k) { return static_cast<uint8_t>(s[k]); };
  uint8_t c = byte(i);
  if (c < 0x80) return rune = c, 1;
  size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
  if (size == 0 || c > 0xf4 || i + size > s.size()) return 0;
  rune = c & (0xff >> (size + 1));
  for (size_t k = 1; k < size; k++) {
    if ((byte(i + k) & 0xc0) != 0x80) return 0;
    rune = rune << 6 | (byte(i + k) & 0x3f);
  }
  static constexpr uint32_t kMin[] = {0, 0, 0x80, 0x800, 0x10000};
  if (rune < kMin[size] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)) return 0;
  return size;
}

void AppendEscape(std::string& out, unsigned value) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[value >> shift & 15];
}

}  // namespace

void AppendGoJsonString(std::string& out, std::string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    uint32_t rune = 0;
    size_t size = Utf8Length(text, i, rune);
    if (size == 0) {
      out += "\\ufffd";
      i++;
      continue;
    }
    switch (rune) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029) {
          AppendEscape(out, rune);
        } else {
          out.append(text.substr(i, size));
        }
    }
    i += size;
  }
  out += '"';
}

std::string GoJsonString(std::string_view text) {
  std::string out;
  AppendGoJsonString(out, text);
  return out;
}

void GoJsonWriter::Separate() {
  if (after_key_) {
    after_key_ = false;
  } else if (!first_.empty()) {
    if (!first_.back()) out_ += ',';
    first_.back() = false;
  }
}

void GoJsonWriter::BeginObject() {
  Separate();
  out_ += '{';
  first_.push_back(true);
}
void GoJsonWriter::EndObject() {
  out_ += '}';
  first_.pop_back();
}
void GoJsonWriter::BeginArray() {
  Separate();
  out_ += '[';
  first_.push_back(true);
}
void GoJsonWriter::EndArray() {
  out_ += ']';
  first_.pop_back();
}
void GoJsonWriter::Key(std::string_view key) {
  Separate();
  AppendGoJsonString(out_, key);
  out_ += ':';
  after_key_ = true;
}
void GoJsonWriter::String(std::string_view value) {
  Separate();
  AppendGoJsonString(out_, value);
}
void GoJsonWriter::Bytes(std::string_view value) {
  Separate();
  out_ += '"';
  out_ += Base64Encode(value);
  out_ += '"';
}
void GoJsonWriter::Int(int64_t value) {
  Separate();
  out_ += std::to_string(value);
}
void GoJsonWriter::Uint(uint64_t value) {
  Separate();
  out_ += std::to_string(value);
}
void GoJsonWriter::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
}
void GoJsonWriter::Null() {
  Separate();
  out_ += "null";
}
void GoJsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
}

std::string GoJsonIndent(std::string_view json, std::string_view indent) {
  std::string out;
  size_t depth = 0;
  bool in_string = false, fresh = false;  // fresh: a container was opened and nothing written in it
  auto newline = [&] {
    out += '\n';
    for (size_t i = 0; i < depth; i++) out += indent;
  };
  for (size_t i = 0; i < json.size(); i++) {
    char c = json[i];
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < json.size()) out += json[++i];
      if (c == '"') in_string = false;
      continue;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    bool closes = c == '}' || c == ']';
    if (fresh && !closes) {
      depth++;
      newline();
    }
    if (closes && !fresh) {
      depth--;
      newline();
    }
    fresh = false;
    out += c;
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') fresh = true;
    if (c == ',') newline();
    if (c == ':') out += ' ';
  }
  return out;
}

std::string GoJsonCompact(std::string_view json) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); i++) {
    char c = json[i];
    if (!in_string && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) continue;
    if (c == '<' || c == '>' || c == '&') {
      AppendEscape(out, static_cast<unsigned char>(c));
      continue;
    }
    if (json.substr(i, 3) == "\xe2\x80\xa8" || json.substr(i, 3) == "\xe2\x80\xa9") {
      AppendEscape(out, json[i + 2] == '\xa8' ? 0x2028 : 0x2029);
      i += 2;
      continue;
    }
    out += c;
    if (in_string && c == '\\' && i + 1 < json.size()) {
      out += json[++i];
    } else if (c == '"') {
      in_string = !in_string;
    }
  }
  return out;
}

std::string WithoutHtmlEscapes(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size(); i++) {
    if (json[i] != '\\') {
      out += json[i];
      continue;
    }
    std::string_view escape = json.substr(i, 6);
    char plain = escape == "\\u003c" ? '<' : escape == "\\u003e" ? '>' : escape == "\\u0026" ? '&' : '\0';
    if (plain != 0) {
      out += plain;
      i += 5;
    } else {
      out += json.substr(i, 2);  // the escaped character may be a backslash
      i++;
    }
  }
  return out;
}

}  // namespace bk
