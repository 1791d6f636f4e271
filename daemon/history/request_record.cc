#include "daemon/history/request_record.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/go_json.h"
#include "base/platform.h"
#include "base/split.h"

namespace bk::history {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kHidden[] = "xxxxx";
constexpr std::string_view kLabelPrefix = "label:";
constexpr const char* kSecretKeys[] = {"secret_access_key", "session_token", "token", "ghtoken"};

// Who is named in front of "@" in the URL whose "://" is at `at`: a password always, a name alone where it may be a token.
std::string HideUser(std::string text, size_t at) {
  size_t begin = at + 3;
  size_t end = std::min(text.find_first_of("/?#\"' \t\n", begin), text.size());
  size_t user_end = text.rfind('@', end);
  if (user_end == std::string::npos || user_end < begin || user_end >= end) return text;
  bool password = text.find(':', begin) < user_end;
  std::string_view before = std::string_view(text).substr(0, at);
  bool web = before.ends_with("http") || before.ends_with("https");
  if (password) return text.replace(begin, user_end - begin, std::string(kHidden) + ":" + kHidden);
  return web ? text.replace(begin, user_end - begin, kHidden) : text;
}

std::string WithoutCredentials(std::string text) {
  for (size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) text = HideUser(std::move(text), at);
  return text;
}

// [{"Type": …, "Attrs": {…}}]; other texts stay as they are.
std::string WithoutKeys(const std::string& text) {
  Json imports = Json::parse(text, nullptr, false);
  if (!imports.is_array()) return text;
  bool changed = false;
  for (Json& one : imports) {
    if (!one.is_object() || !one.contains("Attrs") || !one["Attrs"].is_object()) continue;
    for (const char* key : kSecretKeys) {
      if (!one["Attrs"].contains(key)) continue;
      one["Attrs"][key] = kHidden;
      changed = true;
    }
  }
  return changed ? imports.dump(-1, ' ', false, Json::error_handler_t::replace) : text;
}

}  // namespace

std::map<std::string, std::string> WithoutSecrets(std::map<std::string, std::string> attrs) {
  for (auto& [key, value] : attrs) {
    if (std::find(std::begin(kSecretKeys), std::end(kSecretKeys), key) != std::end(kSecretKeys)) value = kHidden;
    if (key == "cache-imports") value = WithoutKeys(value);
    value = WithoutCredentials(std::move(value));
  }
  return attrs;
}

std::string RequestOptions(const std::map<std::string, std::string>& attrs) {
  auto value = [&](const char* key) { return attrs.contains(key) ? attrs.at(key) : std::string(); };
  std::string platforms = attrs.contains("platform") ? value("platform") : FormatPlatform(NormalizePlatform(HostPlatform()));
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Platforms");
  w.BeginArray();
  for (std::string_view platform : Split(platforms, ',')) w.String(platform);
  w.EndArray();
  w.Key("Labels");
  w.BeginObject();
  for (const auto& [key, label] : attrs) {
    if (key.starts_with(kLabelPrefix)) w.Key(key.substr(kLabelPrefix.size())), w.String(label);
  }
  w.EndObject();
  w.Key("Request"), w.String(value("requestid"));
  w.EndObject();
  return w.Take();
}

}  // namespace bk::history
