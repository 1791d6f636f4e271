#include "base/package_url.h"

#include <algorithm>
#include <vector>

#include "base/go_url.h"
#include "base/reference.h"
#include "base/unicode.h"

namespace bk {
namespace {

struct Parts {
  std::string type, name_space, name, version;
  std::vector<std::pair<std::string, std::string>> qualifiers;
};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(separator, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

absl::StatusOr<std::string> Decode(std::string_view text, std::string_view what) {
  auto decoded = PathUnescape(text);
  if (!decoded.ok()) return Annotate(decoded.status(), StrCat("failed to unescape ", what));
  return decoded;
}

bool IsQualifierKey(std::string_view key) {
  auto allowed = [](char c) { return isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_'; };
  return !key.empty() && !isdigit(static_cast<unsigned char>(key[0])) && std::all_of(key.begin(), key.end(), allowed);
}

absl::Status ParseQualifiers(std::string_view text, Parts& parts) {
  for (std::string_view item : Split(text, '&')) {
    size_t equals = item.find('=');
    BK_TRY(std::string key, Decode(ToLower(item.substr(0, equals)), "qualifier key"));
    if (!IsQualifierKey(key)) return InvalidArgument("invalid qualifier key: '", key, "'");
    if (equals == std::string_view::npos) return InvalidArgument("qualifier '", key, "' has no value");
    std::string_view encoded = item.substr(equals + 1);
    BK_TRY(std::string value, Decode(encoded.substr(0, encoded.find('=')), "qualifier value"));
    if (!value.empty()) parts.qualifiers.emplace_back(std::move(key), std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<Parts> ParseParts(std::string_view text) {
  Parts parts;
  text = text.substr(0, text.find('#'));
  if (size_t question = text.rfind('?'); question != std::string_view::npos) {
    BK_RETURN_IF_ERROR(ParseQualifiers(text.substr(question + 1), parts));
    text = text.substr(0, question);
  }
  if (!text.starts_with("pkg:")) return InvalidArgument("scheme is missing");
  text.remove_prefix(std::min(text.find_first_not_of('/', 4), text.size()));
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return InvalidArgument("type is missing");
  parts.type = ToLower(text.substr(0, slash));
  std::vector<std::string_view> path = Split(text.substr(slash + 1), '/');
  std::string_view last = path.back();
  path.pop_back();
  // A name is only decoded when a version follows (packageurl-go).
  parts.name = last;
  if (size_t at = last.find('@'); at != std::string_view::npos) {
    BK_ASSIGN(parts.version, Decode(last.substr(at + 1), "purl version"));
    BK_ASSIGN(parts.name, Decode(last.substr(0, at), "purl name"));
  }
  for (std::string_view item : path) {
    if (item.empty()) continue;
    BK_TRY(std::string decoded, Decode(item, "path"));
    if (!parts.name_space.empty()) parts.name_space += '/';
    parts.name_space += decoded;
  }
  if (parts.name.empty()) return InvalidArgument("name is required");
  return parts;
}

}  // namespace

absl::StatusOr<std::string> ImagePackageUrl(std::string_view type, std::string_view ref, const std::optional<Platform>& platform) {
  auto parsed = ImageReference::Parse(ref);
  if (!parsed.ok()) return Annotate(parsed.status(), StrCat("failed to parse ref ", Quote(ref)));
  ImageReference image = parsed->WithDefaultTag();
  std::string out = StrCat("pkg:", type), name = image.familiar_name();
  for (std::string_view part : Split(name, '/')) out += "/" + QueryEscape(part);
  if (!image.tag().empty()) out += "@" + PathEscape(image.tag());
  char separator = '?';
  if (!image.digest().empty()) {
    out += separator + ("digest=" + PathEscape(image.digest().str()));
    separator = '&';
  }
  if (platform) out += separator + ("platform=" + PathEscape(FormatPlatform(NormalizePlatform(*platform))));
  return out;
}

absl::StatusOr<PackagedImage> ParseImagePackageUrl(std::string_view purl) {
  BK_TRY(Parts parts, ParseParts(purl));
  if (parts.type != "docker") return InvalidArgument("invalid package type ", Quote(parts.type), ", expecting docker");
  PackagedImage out;
  std::string ref = parts.name_space.empty() ? parts.name : parts.name_space + "/" + parts.name;
  std::string digest;
  if (auto parsed = Digest::Parse(parts.version); parsed.ok()) {
    digest = parsed->str();
    ref += "@" + digest;
  } else if (!parts.version.empty()) {
    ref += ":" + parts.version;
  }
  for (const auto& [key, value] : parts.qualifiers) {
    if (key == "platform") {
      BK_TRY(Platform platform, ParsePlatform(value));
      platform.os_version.clear();
      platform.os_features.clear();
      out.platform = std::move(platform);
    } else if (key == "digest" && digest.empty()) {
      BK_TRY(Digest parsed, Digest::Parse(value));
      digest = parsed.str();
      ref += "@" + digest;
    } else if (key == "digest" && digest != value) {
      return InvalidArgument("digest ", Quote(value), " does not match version ", Quote(digest));
    }
  }
  if (digest.empty() && parts.version.empty()) ref += ":latest";
  auto image = ImageReference::Parse(ref);
  if (!image.ok()) return Annotate(image.status(), StrCat("invalid image url ", Quote(purl)));
  out.ref = image->str();
  return out;
}

}  // namespace bk
