#include "daemon/source/file_name.h"

#include <algorithm>

#include "base/go_url.h"
#include "base/path.h"
#include "base/unicode.h"

namespace bk::source {
namespace {

bool IsTokenChar(char c) {
  return c > ' ' && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

std::string TakeToken(std::string_view& rest) {
  size_t end = static_cast<size_t>(std::find_if_not(rest.begin(), rest.end(), IsTokenChar) - rest.begin());
  std::string token(rest.substr(0, end));
  rest.remove_prefix(end);
  return token;
}

// False if there is no value, or a quote is left open.
bool TakeValue(std::string_view& rest, std::string& out) {
  if (!rest.starts_with('"')) {
    out = TakeToken(rest);
    return !out.empty();
  }
  for (size_t i = 1; i < rest.size(); i++) {
    char c = rest[i];
    if (c == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (c == '\r' || c == '\n') return false;
    // A backslash before anything that needs none stands for itself: some clients send whole Windows paths.
    bool escapes = c == '\\' && i + 1 < rest.size() && std::string_view("()<>@,;:\\\"/[]?=").find(rest[i + 1]) != std::string_view::npos;
    out += escapes ? rest[++i] : c;
  }
  return false;
}

// RFC 2231: charset'language'percent-encoded.
std::optional<std::string> DecodeExtended(const std::string& value) {
  size_t first = value.find('\'');
  size_t second = first == std::string::npos ? first : value.find('\'', first + 1);
  if (second == std::string::npos) return std::nullopt;
  std::string charset = ToLower(value.substr(0, first));
  if (charset != "us-ascii" && charset != "utf-8") return std::nullopt;
  auto decoded = PathUnescape(value.substr(second + 1));
  return decoded.ok() ? std::optional(*decoded) : std::nullopt;
}

using Parameters = std::map<std::string, std::string>;

// "name*", or "name*0", "name*1*", … put together.
std::optional<std::string> Stitch(const std::string& name, const Parameters& pieces) {
  if (auto whole = pieces.find(name + "*"); whole != pieces.end()) return DecodeExtended(whole->second);
  std::string out;
  for (int n = 0;; n++) {
    std::string key = name + "*" + std::to_string(n);
    auto plain = pieces.find(key), encoded = pieces.find(key + "*");
    if (plain != pieces.end()) {
      out += plain->second;
    } else if (encoded != pieces.end()) {
      out += n == 0 ? DecodeExtended(encoded->second).value_or("") : PathUnescape(encoded->second).value_or("");
    } else {
      return n == 0 ? std::nullopt : std::optional(out);
    }
  }
}

bool IsMediaType(std::string_view text) {
  if (TakeToken(text).empty()) return false;
  if (text.empty()) return true;
  if (!text.starts_with('/')) return false;
  text.remove_prefix(1);
  return !TakeToken(text).empty() && text.empty();
}

}  // namespace

std::optional<Parameters> MediaTypeParameters(std::string_view header) {
  size_t semicolon = std::min(header.find(';'), header.size());
  if (!IsMediaType(TrimSpace(header.substr(0, semicolon)))) return std::nullopt;
  std::string_view rest = header.substr(semicolon);
  Parameters out;
  std::map<std::string, Parameters> pieces;
  while (!(rest = TrimLeftSpace(rest)).empty()) {
    if (TrimSpace(rest) == ";") break;
    if (!rest.starts_with(';')) return std::nullopt;
    rest = TrimLeftSpace(rest.substr(1));
    std::string key = ToLower(TakeToken(rest)), value;
    rest = TrimLeftSpace(rest);
    if (key.empty() || !rest.starts_with('=')) return std::nullopt;
    rest = TrimLeftSpace(rest.substr(1));
    if (!TakeValue(rest, value)) return std::nullopt;
    size_t star = key.find('*');
    Parameters& target = star == std::string::npos ? out : pieces[key.substr(0, star)];
    auto [found, fresh] = target.emplace(key, value);
    if (!fresh && found->second != value) return std::nullopt;
  }
  for (const auto& [name, parts] : pieces) {
    if (auto value = Stitch(name, parts)) out[name] = *value;
  }
  return out;
}

std::string SafeFileName(std::string_view name) {
  std::string base = BaseName(TrimSpace(name));
  constexpr size_t kMaxNameBytes = 255;  // NAME_MAX of every file system here
  if (base == "." || base == ".." || base.size() > kMaxNameBytes) return "download";
  for (Rune rune : Runes(base)) {
    if (rune < ' ' || (rune >= 0x7f && rune < 0xa0)) return "download";
  }
  return base;
}

std::string DownloadName(const std::string& url, const std::string& given, const std::string& content_disposition) {
  if (!given.empty()) return SafeFileName(given);
  if (auto parameters = MediaTypeParameters(content_disposition)) {
    const std::string& name = (*parameters)["filename"];
    if (!name.empty() && !name.ends_with('/')) return SafeFileName(BaseName(name));
  }
  auto parsed = GoUrl::Parse(url);
  std::string base = parsed.ok() ? BaseName(parsed->path) : "";
  return SafeFileName(base == "/" ? "" : base);
}

std::string CanonicalHeaderName(std::string name) {
  if (!std::all_of(name.begin(), name.end(), IsTokenChar)) return name;
  bool upper = true;
  for (char& c : name) {
    c = static_cast<char>(upper ? toupper(static_cast<unsigned char>(c)) : tolower(static_cast<unsigned char>(c)));
    upper = c == '-';
  }
  return name;
}

}  // namespace bk::source
