#include "daemon/exporter/result.h"

#include <strings.h>

#include <nlohmann/json.hpp>

namespace bk::exporter {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxPlatforms = 1024;

const Json* Field(const Json& object, const char* name) {
  const Json* found = nullptr;
  if (!object.is_object()) return nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (strcasecmp(it.key().c_str(), name) == 0) found = &it.value();
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string Text(const Json& object, const char* name) {
  const Json* value = Field(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

Platform ReadPlatform(const Json& object) {
  Platform out;
  out.os = Text(object, "os");
  out.architecture = Text(object, "architecture");
  out.variant = Text(object, "variant");
  out.os_version = Text(object, "os.version");
  if (const Json* features = Field(object, "os.features"); features != nullptr && features->is_array()) {
    for (const Json& feature : *features) {
      if (feature.is_string()) out.os_features.push_back(feature.get<std::string>());
    }
  }
  return out;
}

absl::StatusOr<std::vector<ResultPlatform>> ParseList(const std::string& text) {
  std::vector<ResultPlatform> out;
  Json json = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
  if (json.is_discarded()) return InvalidArgument("failed to parse platforms passed to provenance processor: invalid JSON");
  const Json* list = Field(json, "Platforms");
  if (list == nullptr || !list->is_array() || list->empty()) return InvalidArgument("invalid empty platforms index for exporter");
  if (list->size() > kMaxPlatforms) return ResourceExhausted("result has ", list->size(), " platforms, at most ", kMaxPlatforms, " can be exported");
  for (const Json& item : *list) {
    ResultPlatform platform;
    platform.id = Text(item, "ID");
    if (platform.id.empty()) return InvalidArgument("invalid empty platform key for exporter");
    if (const Json* value = Field(item, "Platform")) platform.platform = ReadPlatform(*value);
    if (platform.platform.os.empty() || platform.platform.architecture.empty()) {
      return InvalidArgument("invalid platform value ", Quote(FormatPlatformAll(platform.platform)), " for exporter");
    }
    platform.platform = NormalizePlatform(platform.platform);
    out.push_back(std::move(platform));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<ResultPlatform>> PlatformsOf(const std::map<std::string, std::string>& metadata) {
  if (auto list = metadata.find(kPlatformsKey); list != metadata.end()) return ParseList(list->second);
  Platform platform;
  if (auto config = metadata.find(kConfigKey); config != metadata.end()) {
    Json json = Json::parse(config->second, nullptr, false);
    if (json.is_discarded()) return InvalidArgument("invalid image config: not JSON");
    platform = ReadPlatform(json);
    if (platform.os.empty() != platform.architecture.empty()) return InvalidArgument("invalid image config: os and architecture must be specified together");
    if (platform.os.empty()) platform = {};
  } else {
    platform = HostPlatform();
  }
  platform = NormalizePlatform(platform);
  return std::vector<ResultPlatform>{{FormatPlatformAll(platform), platform}};
}

cache::ImmutablePtr FindRef(const Result& result, const std::string& platform_id, bool* found) {
  *found = true;
  if (result.refs.empty()) return result.ref;
  if (auto it = result.refs.find(platform_id); it != result.refs.end()) return it->second;
  if (result.refs.size() == 1) return result.refs.begin()->second;
  *found = false;
  return nullptr;
}

std::vector<cache::ImmutablePtr> AllRefs(const Result& result) {
  std::vector<cache::ImmutablePtr> out;
  if (result.ref != nullptr) out.push_back(result.ref);
  for (const auto& [id, ref] : result.refs) {
    if (ref != nullptr) out.push_back(ref);
  }
  return out;
}

std::string PlatformValue(const std::map<std::string, std::string>& metadata, const std::string& key, const std::string& platform_id) {
  auto it = platform_id.empty() ? metadata.end() : metadata.find(StrCat(key, "/", platform_id));
  if (it == metadata.end()) it = metadata.find(key);
  return it == metadata.end() ? "" : it->second;
}

}  // namespace bk::exporter
