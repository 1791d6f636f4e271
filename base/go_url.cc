#include "base/go_url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/unicode.h"

namespace bk {
namespace {

enum class Part { kPath, kSegment, kHost, kZone, kUser, kQuery, kFragment };

constexpr size_t kMaxQueryParameters = 10000;

bool IsAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
int HexValue(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }
bool Contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

// RFC 3986, sections 2.2 and 2.3, with net/url's exceptions for hosts and fragments.
bool MustEscape(char c, Part part) {
  if (IsAlnum(c) || Contains("-_.~", c)) return false;
  switch (part) {
    case Part::kHost:
    case Part::kZone:
      return !Contains("!$&'()*+,;=:[]<>\"", c);
    case Part::kPath:
      return !Contains("$&+,/:;=@", c);
    case Part::kSegment:
      return !Contains("$&+:=@", c);
    case Part::kUser:
      return !Contains("$&+,;=", c);
    case Part::kQuery:
      return true;
    case Part::kFragment:
      return !Contains("$&+,/:;=?@!()*", c);
  }
  return true;
}

std::string Escape(std::string_view text, Part part) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (!MustEscape(c, part)) {
      out += c;
    } else if (c == ' ' && part == Part::kQuery) {
      out += '+';
    } else {
      out += {'%', kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
    }
  }
  return out;
}

absl::StatusOr<std::string> Unescape(std::string_view text, Part part) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (c == '%') {
      std::string_view escape = text.substr(i, 3);
      bool bad = escape.size() < 3 || !IsHex(escape[1]) || !IsHex(escape[2]);
      char value = bad ? 0 : static_cast<char>(HexValue(escape[1]) << 4 | HexValue(escape[2]));
      if (!bad && escape != "%25") {
        // Host names may only escape bytes that are not ASCII; zones anything that would stand in a host, and spaces.
        if (part == Part::kHost) bad = HexValue(escape[1]) < 8;
        if (part == Part::kZone) bad = value != ' ' && MustEscape(value, Part::kHost);
      }
      if (bad) return InvalidArgument("invalid URL escape ", Quote(escape));
      out += value;
      i += 2;
    } else if (c == '+' && part == Part::kQuery) {
      out += ' ';
    } else {
      bool host = part == Part::kHost || part == Part::kZone;
      if (host && static_cast<unsigned char>(c) < 0x80 && MustEscape(c, part)) {
        return InvalidArgument("invalid character ", Quote(std::string_view(&text[i], 1)), " in host name");
      }
      out += c;
    }
  }
  return out;
}

bool IsOptionalPort(std::string_view port) {
  if (port.empty()) return true;
  return port[0] == ':' && std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::Status BadPort(std::string_view port) { return InvalidArgument("invalid port ", Quote(port), " after host"); }

absl::StatusOr<std::string> ParseIpLiteral(std::string_view host) {
  size_t close = host.rfind(']');
  if (close == std::string_view::npos) return InvalidArgument("missing ']' in host");
  std::string_view port = host.substr(close + 1), name = host.substr(1, close - 1);
  if (!IsOptionalPort(port)) return BadPort(port);
  size_t zone_at = std::min(name.find("%25"), name.size());
  BK_TRY(std::string address, Unescape(name.substr(0, zone_at), Part::kHost));
  BK_TRY(std::string zone, Unescape(name.substr(zone_at), Part::kZone));
  in6_addr v6;
  in_addr v4;
  if (zone.empty() && inet_pton(AF_INET, address.c_str(), &v4) == 1) return InvalidArgument("invalid IP-literal");
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) {
    return InvalidArgument("invalid host: ParseAddr(", Quote(address + zone), "): unable to parse IP");
  }
  return "[" + address + zone + "]" + std::string(port);
}

absl::StatusOr<std::string> ParseHost(std::string_view scheme, std::string_view host) {
  size_t bracket = host.rfind('[');
  if (bracket == 0) return ParseIpLiteral(host);
  if (bracket != std::string_view::npos) return InvalidArgument("invalid IP-literal");
  size_t colon = host.find(':');
  if (colon != std::string_view::npos) {
    // Other schemes than HTTP may have colons in the host; the last one is the port's.
    if (scheme != "http" && scheme != "https") colon = host.rfind(':');
    if (!IsOptionalPort(host.substr(colon))) return BadPort(host.substr(colon));
  }
  return Unescape(host, Part::kHost);
}

absl::Status ParseAuthority(std::string_view authority, GoUrl& url) {
  size_t at = authority.rfind('@');
  bool has_user = at != std::string_view::npos;
  BK_ASSIGN(url.host, ParseHost(url.scheme, has_user ? authority.substr(at + 1) : authority));
  if (!has_user) return absl::OkStatus();
  std::string_view user = authority.substr(0, at);
  if (!std::all_of(user.begin(), user.end(), [](char c) { return IsAlnum(c) || Contains("-._:~!$&'()*+,;=%@", c); })) {
    return InvalidArgument("net/url: invalid userinfo");
  }
  url.user.emplace();
  size_t colon = user.find(':');
  BK_ASSIGN(url.user->name, Unescape(user.substr(0, colon), Part::kUser));
  if (colon != std::string_view::npos) BK_ASSIGN(url.user->password, Unescape(user.substr(colon + 1), Part::kUser));
  return absl::OkStatus();
}

absl::Status SetPath(std::string_view text, GoUrl& url) {
  BK_ASSIGN(url.path, Unescape(text, Part::kPath));
  url.raw_path = Escape(url.path, Part::kPath) == text ? "" : std::string(text);
  return absl::OkStatus();
}

// Takes the scheme off `rest`.
absl::Status TakeScheme(std::string_view& rest, GoUrl& url) {
  for (size_t i = 0; i < rest.size(); i++) {
    char c = rest[i];
    bool letter = IsAlnum(c) && !(c >= '0' && c <= '9');
    if (letter || (i > 0 && (IsAlnum(c) || Contains("+-.", c)))) continue;
    if (c != ':') return absl::OkStatus();
    if (i == 0) return InvalidArgument("missing protocol scheme");
    url.scheme = ToLower(rest.substr(0, i));
    rest.remove_prefix(i + 1);
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status ParseWithoutFragment(std::string_view rest, GoUrl& url) {
  if (std::any_of(rest.begin(), rest.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    return InvalidArgument("net/url: invalid control character in URL");
  }
  if (rest == "*") {
    url.path = "*";
    return absl::OkStatus();
  }
  BK_RETURN_IF_ERROR(TakeScheme(rest, url));
  if (size_t question = rest.find('?'); question != std::string_view::npos) {
    url.force_query = question + 1 == rest.size();
    url.raw_query = rest.substr(question + 1);
    rest = rest.substr(0, question);
  }
  if (!rest.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = rest;
      return absl::OkStatus();
    }
    if (Contains(rest.substr(0, rest.find('/')), ':')) return InvalidArgument("first path segment in URL cannot contain colon");
  }
  if (rest.starts_with("//") && (!url.scheme.empty() || !rest.starts_with("///"))) {
    std::string_view authority = rest.substr(2);
    size_t slash = std::min(authority.find('/'), authority.size());
    rest = authority.substr(slash);
    BK_RETURN_IF_ERROR(ParseAuthority(authority.substr(0, slash), url));
  } else if (!url.scheme.empty() && rest.starts_with('/')) {
    url.omit_host = true;
  }
  return SetPath(rest, url);
}

// Whether `encoded` is a way to write `plain` that net/url keeps.
bool IsEncodingOf(std::string_view encoded, std::string_view plain, Part part) {
  for (char c : encoded) {
    if (!Contains("!$&'()*+,;=:@[]%", c) && MustEscape(c, part)) return false;
  }
  auto decoded = Unescape(encoded, part);
  return decoded.ok() && *decoded == plain;
}

// RFC 3986, 5.2.4.
std::string RemoveDots(std::string_view base, std::string_view reference) {
  std::string full(reference);
  if (reference.empty()) full = base;
  else if (reference[0] != '/') full = std::string(base.substr(0, base.rfind('/') + 1)) + std::string(reference);
  if (full.empty()) return "";
  std::vector<std::string> parts;
  bool directory = false;
  for (size_t at = full[0] == '/' ? 1 : 0; at <= full.size();) {
    size_t slash = std::min(full.find('/', at), full.size());
    std::string part = full.substr(at, slash - at);
    directory = part == "." || part == "..";
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!directory) parts.push_back(std::move(part));
    at = slash + 1;
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return directory || out.empty() ? out + "/" : out;
}

}  // namespace

std::string GoUrl::UserInfo::str() const {
  return Escape(name, Part::kUser) + (password ? ":" + Escape(*password, Part::kUser) : "");
}

absl::StatusOr<GoUrl> GoUrl::Parse(std::string_view text) {
  GoUrl url;
  size_t hash = text.find('#');
  std::string_view front = text.substr(0, hash);
  absl::Status parsed = ParseWithoutFragment(front, url);
  if (!parsed.ok()) return Annotate(parsed, StrCat("parse ", Quote(front)));
  if (hash == std::string_view::npos || hash + 1 == text.size()) return url;
  std::string_view fragment = text.substr(hash + 1);
  auto decoded = Unescape(fragment, Part::kFragment);
  if (!decoded.ok()) return Annotate(decoded.status(), StrCat("parse ", Quote(text)));
  url.fragment = *decoded;
  url.raw_fragment = Escape(url.fragment, Part::kFragment) == fragment ? "" : std::string(fragment);
  return url;
}

std::string GoUrl::EscapedPath() const {
  if (!raw_path.empty() && IsEncodingOf(raw_path, path, Part::kPath)) return raw_path;
  return path == "*" ? path : Escape(path, Part::kPath);
}

std::string GoUrl::str() const {
  std::string out;
  if (!scheme.empty()) out += scheme + ":";
  if (!opaque.empty()) {
    out += opaque;
  } else {
    bool has_authority = !host.empty() || user.has_value();
    if (has_authority || (!scheme.empty() && !omit_host && !path.empty())) out += "//";
    if (user) out += user->str() + "@";
    out += Escape(host, Part::kHost);
    std::string escaped = EscapedPath();
    if (!escaped.empty() && escaped[0] != '/' && !host.empty()) out += '/';
    if (out.empty() && Contains(std::string_view(escaped).substr(0, escaped.find('/')), ':')) out += "./";
    out += escaped;
  }
  if (force_query || !raw_query.empty()) out += "?" + raw_query;
  if (!fragment.empty()) {
    bool keep = !raw_fragment.empty() && IsEncodingOf(raw_fragment, fragment, Part::kFragment);
    out += "#" + (keep ? raw_fragment : Escape(fragment, Part::kFragment));
  }
  return out;
}

std::string GoUrl::port() const {
  size_t colon = host.rfind(':');
  return colon != std::string::npos && IsOptionalPort(std::string_view(host).substr(colon)) ? host.substr(colon + 1) : "";
}

std::string GoUrl::hostname() const {
  std::string name = host;
  size_t colon = host.rfind(':');
  if (colon != std::string::npos && IsOptionalPort(std::string_view(host).substr(colon))) name.resize(colon);
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return name;
}

GoUrl::Query GoUrl::query() const {
  Query out;
  if (static_cast<size_t>(std::count(raw_query.begin(), raw_query.end(), '&')) >= kMaxQueryParameters) return out;
  for (size_t at = 0; at < raw_query.size();) {
    size_t end = std::min(raw_query.find('&', at), raw_query.size());
    std::string_view pair = std::string_view(raw_query).substr(at, end - at);
    at = end + 1;
    if (pair.empty() || Contains(pair, ';')) continue;
    size_t equals = std::min(pair.find('='), pair.size());
    auto key = QueryUnescape(pair.substr(0, equals));
    auto value = QueryUnescape(equals < pair.size() ? pair.substr(equals + 1) : "");
    if (key.ok() && value.ok()) out[*key].push_back(*value);
  }
  return out;
}

absl::StatusOr<GoUrl> GoUrl::Resolve(std::string_view reference) const {
  BK_TRY(GoUrl url, Parse(reference));
  bool absolute = !url.scheme.empty();
  if (!absolute) url.scheme = scheme;
  if (absolute || !url.host.empty() || url.user) {
    BK_RETURN_IF_ERROR(SetPath(RemoveDots(url.EscapedPath(), ""), url));
    return url;
  }
  if (url.path.empty() && !url.force_query && url.raw_query.empty()) {
    url.raw_query = raw_query;
    if (url.fragment.empty()) {
      url.fragment = fragment;
      url.raw_fragment = raw_fragment;
    }
  }
  url.host = host;
  url.user = user;
  BK_RETURN_IF_ERROR(SetPath(RemoveDots(EscapedPath(), url.EscapedPath()), url));
  return url;
}

std::string QueryEscape(std::string_view text) { return Escape(text, Part::kQuery); }
std::string PathEscape(std::string_view text) { return Escape(text, Part::kSegment); }
absl::StatusOr<std::string> QueryUnescape(std::string_view text) { return Unescape(text, Part::kQuery); }
absl::StatusOr<std::string> PathUnescape(std::string_view text) { return Unescape(text, Part::kSegment); }

std::string EncodeQuery(const GoUrl::Query& query) {
  std::string out;
  for (const auto& [key, values] : query) {
    for (const std::string& value : values) {
      if (!out.empty()) out += '&';
      out += QueryEscape(key) + "=" + QueryEscape(value);
    }
  }
  return out;
}

std::string RedactCredentials(const std::string& url) {
  auto parsed = GoUrl::Parse(url);
  if (!parsed.ok()) return url;
  if (auto& user = parsed->user; user.has_value()) {
    if (!user->name.empty()) user->name = "xxxxx";
    if (user->password) user->password = "xxxxx";
  }
  return parsed->str();
}

}  // namespace bk
