#include "client/session/docker_config.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/go_url.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::client {
namespace {

using Json = nlohmann::json;

constexpr char kHubRegistry[] = "registry-1.docker.io";
constexpr char kHubKey[] = "https://index.docker.io/v1/";
constexpr char kHelperPrefix[] = "docker-credential-";
constexpr char kTokenUser[] = "<token>";
constexpr char kNotFoundAnswer[] = "credentials not found in native keychain";
constexpr uint64_t kMaxConfigBytes = 16 << 20;

std::string StringAt(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

Json ObjectAt(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_object() ? *it : Json::object();
}

// base64("user:password")
absl::Status DecodeAuth(const std::string& text, Credentials& out) {
  BK_TRY(std::string plain, Base64Decode(text));
  size_t colon = plain.find(':');
  if (colon == std::string::npos || colon == 0) return InvalidArgument("invalid auth configuration file");
  out.username = plain.substr(0, colon);
  out.password = plain.substr(colon + 1);
  out.password.erase(0, out.password.find_first_not_of('\0'));
  out.password.erase(out.password.find_last_not_of('\0') + 1);
  return absl::OkStatus();
}

// Of keys that old versions wrote as URLs.
std::string HostOfKey(const std::string& key) {
  if (key.find("://") != std::string::npos) {
    auto url = GoUrl::Parse(key);
    if (url.ok() && !url->hostname().empty()) return url->port().empty() ? url->hostname() : url->host;
  }
  return key.substr(0, key.find('/'));
}

Credentials FindByHost(const std::map<std::string, Credentials>& all, const std::string& key) {
  if (auto it = all.find(key); it != all.end()) return it->second;
  for (const auto& [name, credentials] : all) {
    if (HostOfKey(name) == key) return credentials;
  }
  return {};
}

absl::StatusOr<Credentials> AskHelper(const CancelToken& cancel, const std::string& suffix, const std::string& key) {
  os::ProcessOptions options;
  options.argv = {kHelperPrefix + suffix, "get"};
  BK_TRY(os::Output output, os::Run(cancel, options, key));
  std::string answer = output.out.substr(0, output.out.find_last_not_of(" \t\r\n") + 1);
  if (!output.status.success()) {
    if (answer == kNotFoundAnswer) return Credentials();
    return Unknown("error getting credentials - err: exit status ", output.status.code, ", out: `", answer, "`");
  }
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return Unknown("error getting credentials - ", kHelperPrefix, suffix, " did not answer with a JSON object");
  Credentials credentials;
  std::string user = StringAt(json, "Username"), secret = StringAt(json, "Secret");
  if (user == kTokenUser) {
    credentials.identity_token = secret;
  } else {
    credentials.username = user;
    credentials.password = secret;
  }
  return credentials;
}

}  // namespace

std::string DockerConfig::DefaultDirectory() {
  if (const char* directory = std::getenv("DOCKER_CONFIG"); directory != nullptr && *directory != 0) return directory;
  const char* home = std::getenv("HOME");
  return StrCat(home == nullptr ? "" : home, "/.docker");
}

DockerConfig DockerConfig::Load(const std::string& directory) {
  DockerConfig config;
  std::string path = directory + "/config.json";
  auto text = os::ReadFile(path, kMaxConfigBytes);
  if (text.ok()) {
    absl::Status parsed = config.Parse(*text);
    if (!parsed.ok()) log::Warning(StrCat("error loading config file: ", path, ": ", Message(parsed)));
  }
  if (const char* value = std::getenv("DOCKER_AUTH_CONFIG"); value != nullptr && *value != 0) {
    absl::Status parsed = config.ParseEnvironment(value);
    if (!parsed.ok()) log::Warning(StrCat("failed to create credential store from DOCKER_AUTH_CONFIG: ", Message(parsed)));
    if (!parsed.ok()) config.environment_.clear();
  }
  return config;
}

absl::Status DockerConfig::Parse(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return absl::OkStatus();
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidArgument("not a JSON object");
  default_helper_ = StringAt(json, "credsStore");
  const Json helpers = ObjectAt(json, "credHelpers"), auths = ObjectAt(json, "auths");
  for (const auto& [host, suffix] : helpers.items()) {
    if (suffix.is_string()) helpers_[host] = suffix.get<std::string>();
  }
  for (const auto& [key, entry] : auths.items()) {
    if (!entry.is_object()) continue;
    Credentials credentials;
    credentials.username = StringAt(entry, "username");
    credentials.password = StringAt(entry, "password");
    credentials.identity_token = StringAt(entry, "identitytoken");
    credentials.registry_token = StringAt(entry, "registrytoken");
    if (std::string auth = StringAt(entry, "auth"); !auth.empty()) BK_RETURN_IF_ERROR(DecodeAuth(auth, credentials));
    file_[key] = std::move(credentials);
  }
  return absl::OkStatus();
}

absl::Status DockerConfig::ParseEnvironment(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidArgument("not a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "auths" || !value.is_object()) return InvalidArgument("json: unknown field ", Quote(key));
    for (const auto& [host, entry] : value.items()) {
      std::string auth = entry.is_object() ? StringAt(entry, "auth") : "";
      if (auth.empty()) return InvalidArgument("DOCKER_AUTH_CONFIG environment variable is missing key `auth` for ", host);
      if (entry.size() > 1) return InvalidArgument("json: unknown field beside \"auth\" for ", host);
      BK_RETURN_IF_ERROR(DecodeAuth(auth, environment_[host]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Credentials> DockerConfig::Lookup(const CancelToken& cancel, const std::string& host) const {
  std::string key = host == kHubRegistry ? kHubKey : host;
  if (auto it = environment_.find(key); it != environment_.end()) return it->second;
  auto helper = helpers_.find(key);
  std::string suffix = helper != helpers_.end() ? helper->second : default_helper_;
  Credentials stored = FindByHost(file_, key);
  if (suffix.empty()) return stored;
  BK_TRY(Credentials found, AskHelper(cancel, suffix, key));
  found.registry_token = stored.registry_token;
  return found;
}

}  // namespace bk::client
