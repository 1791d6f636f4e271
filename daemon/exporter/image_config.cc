#include "daemon/exporter/image_config.h"

#include <strings.h>

#include <nlohmann/json.hpp>

#include "base/go_json.h"
#include "base/log.h"
#include "base/platform.h"

namespace bk::exporter {
namespace {

using Json = nlohmann::ordered_json;
using Members = std::vector<std::pair<std::string, std::string>>;

constexpr char kHistoryComment[] = "buildkit.exporter.image.v0";
constexpr char kDefaultPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Go finds struct fields without regard to case; the last one wins.
const Json* Field(const Json& object, const char* name) {
  const Json* found = nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (strcasecmp(it.key().c_str(), name) == 0) found = &it.value();
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

absl::Status ReadText(const Json& object, const char* name, std::string& out) {
  const Json* value = Field(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return InvalidArgument("json: field ", name, " is not a string");
  out = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadTime(const Json& object, const char* name, std::optional<ImageTime>& out) {
  const Json* value = Field(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return InvalidArgument("Time.UnmarshalJSON: input is not a JSON string");
  BK_ASSIGN(out, ImageTime::Parse(value->get<std::string>()));
  return absl::OkStatus();
}

absl::StatusOr<HistoryItem> ReadHistoryItem(const Json& json) {
  HistoryItem item;
  if (json.is_null()) return item;
  if (!json.is_object()) return InvalidArgument("json: history item is not an object");
  BK_RETURN_IF_ERROR(ReadTime(json, "created", item.created));
  BK_RETURN_IF_ERROR(ReadText(json, "created_by", item.created_by));
  BK_RETURN_IF_ERROR(ReadText(json, "author", item.author));
  BK_RETURN_IF_ERROR(ReadText(json, "comment", item.comment));
  if (const Json* empty = Field(json, "empty_layer")) {
    if (!empty->is_boolean()) return InvalidArgument("json: field empty_layer is not a boolean");
    item.empty_layer = empty->get<bool>();
  }
  return item;
}

absl::StatusOr<std::vector<HistoryItem>> ReadHistory(const Json& config) {
  std::vector<HistoryItem> out;
  if (config.is_null()) return out;
  if (!config.is_object()) return InvalidArgument("json: image config is not an object");
  const Json* history = Field(config, "history");
  if (history == nullptr) return out;
  if (!history->is_array()) return InvalidArgument("json: field history is not a list");
  for (const Json& json : *history) {
    BK_TRY(HistoryItem item, ReadHistoryItem(json));
    out.push_back(std::move(item));
  }
  return out;
}

void WriteTime(GoJsonWriter& json, const std::optional<ImageTime>& time) {
  if (time) {
    json.String(time->text);
  } else {
    json.Null();
  }
}

std::string HistoryText(const std::vector<HistoryItem>& history) {
  if (history.empty()) return "null";
  GoJsonWriter json;
  json.BeginArray();
  for (const HistoryItem& item : history) {
    json.BeginObject();
    if (item.created) {
      json.Key("created");
      WriteTime(json, item.created);
    }
    auto text = [&](const char* key, const std::string& value) {
      if (value.empty()) return;
      json.Key(key);
      json.String(value);
    };
    text("created_by", item.created_by);
    text("author", item.author);
    text("comment", item.comment);
    if (item.empty_layer) {
      json.Key("empty_layer");
      json.Bool(true);
    }
    json.EndObject();
  }
  json.EndArray();
  return json.Take();
}

std::string RootFsText(const std::vector<Digest>& diff_ids) {
  GoJsonWriter json;
  json.BeginObject();
  json.Key("type");
  json.String("layers");
  json.Key("diff_ids");
  if (diff_ids.empty()) {
    json.Null();
  } else {
    json.BeginArray();
    for (const Digest& id : diff_ids) json.String(id.str());
    json.EndArray();
  }
  json.EndObject();
  return json.Take();
}

std::string DefaultConfig() {
  Platform host = HostPlatform();
  GoJsonWriter json;
  json.BeginObject();
  json.Key("architecture");
  json.String(host.architecture);
  json.Key("os");
  json.String(host.os);
  if (!host.variant.empty()) {
    json.Key("variant");
    json.String(host.variant);
  }
  json.Key("config");
  json.Raw(StrCat("{\"Env\":[", GoJsonString(kDefaultPath), "],\"WorkingDir\":\"/\"}"));
  json.EndObject();
  return json.Take();
}

// As many items that are not empty as there are layers, each with a time if any time is known.
void NormalizeHistory(std::vector<HistoryItem>& history, const std::vector<LayerOrigin>& origins) {
  size_t layers = origins.size(), counted = 0;
  for (HistoryItem& item : history) {
    if (item.empty_layer) continue;
    if (counted == layers) {
      item.empty_layer = true;  // the image's configuration speaks of layers that are not there
    } else {
      counted++;
    }
  }
  for (size_t i = counted; i < layers; i++) {
    HistoryItem item;
    item.created = origins[i].created;
    item.created_by = origins[i].description;
    item.comment = kHistoryComment;
    history.push_back(std::move(item));
  }
  size_t layer = 0;
  for (HistoryItem& item : history) {
    if (item.empty_layer) continue;
    if (!item.created) item.created = origins[layer].created;
    layer++;
  }
  // Items without a time get the first new layer's (the first time behind a gap), later ones the last known.
  std::optional<ImageTime> time;
  bool gap = false;
  for (const HistoryItem& item : history) {
    if (!item.created) {
      gap = true;
      continue;
    }
    time = item.created;
    if (gap) break;
  }
  gap = false;
  for (HistoryItem& item : history) {
    if (item.created) {
      if (gap) time = item.created;
    } else {
      gap = true;
      item.created = time;
    }
  }
}

void LowerTimes(std::vector<HistoryItem>& history, int64_t epoch_seconds, const std::optional<BaseImage>& base) {
  bool diverged = false;
  for (size_t i = 0; i < history.size(); i++) {
    if (!diverged && base && i < base->history.size() && history[i] == base->history[i]) continue;
    diverged = true;
    if (!history[i].created || history[i].created->After(epoch_seconds)) history[i].created = ImageTime::FromSeconds(epoch_seconds);
  }
}

// Checks what the configuration must say, in the order in which clients know the complaints.
absl::Status CheckConfig(const Json& config) {
  constexpr char kPrefix[] = "invalid image config for export";
  if (config.is_null()) return InvalidArgument("invalid null image config for export");
  std::string os, architecture, text;
  std::optional<ImageTime> created;
  BK_RETURN_IF_ERROR(Annotate(ReadTime(config, "created", created), kPrefix));
  BK_RETURN_IF_ERROR(Annotate(ReadText(config, "os", os), kPrefix));
  BK_RETURN_IF_ERROR(Annotate(ReadText(config, "architecture", architecture), kPrefix));
  BK_RETURN_IF_ERROR(Annotate(ReadText(config, "variant", text), kPrefix));
  for (const char* object : {"config", "rootfs"}) {
    const Json* value = Field(config, object);
    if (value != nullptr && !value->is_object()) return InvalidArgument(kPrefix, ": json: field ", object, " is not an object");
  }
  if (os.empty()) return InvalidArgument(kPrefix, ": missing os");
  if (architecture.empty()) return InvalidArgument(kPrefix, ": missing architecture");
  return absl::OkStatus();
}

}  // namespace

bool SplitObject(const std::string& json, std::vector<std::pair<std::string, std::string>>& members) {
  size_t at = json.find_first_not_of(" \t\r\n");
  if (at == std::string::npos || json[at] != '{' || !Json::accept(json)) return false;
  int depth = 0;
  bool in_string = false, is_key = true;
  size_t begin = at + 1;
  std::string key;
  auto take = [&](size_t end) {
    if (!is_key) members.emplace_back(key, json.substr(begin, end - begin));
    is_key = true;
    begin = end + 1;
  };
  for (; at < json.size(); at++) {
    char c = json[at];
    if (in_string) {
      if (c == '\\') at++;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) take(at);
    } else if (depth == 1 && c == ',') {
      take(at);
    } else if (depth == 1 && c == ':' && is_key) {
      key = Json::parse(json.substr(begin, at - begin)).get<std::string>();
      is_key = false;
      begin = at + 1;
    }
  }
  return true;
}

absl::StatusOr<BaseImage> ParseBaseImage(const std::string& config_json) {
  constexpr char kPrefix[] = "failed to unmarshal base image config";
  Json config = Json::parse(config_json, nullptr, false);
  if (config.is_discarded()) return InvalidArgument(kPrefix, ": invalid JSON");
  BaseImage out;
  auto history = ReadHistory(config);
  if (!history.ok()) return Annotate(history.status(), kPrefix);
  out.history = *std::move(history);
  if (!config.is_object()) return out;
  const Json* rootfs = Field(config, "rootfs");
  const Json* ids = rootfs != nullptr && rootfs->is_object() ? Field(*rootfs, "diff_ids") : nullptr;
  if (ids == nullptr || !ids->is_array()) return out;
  for (const Json& id : *ids) {
    if (!id.is_string()) return InvalidArgument(kPrefix, ": json: diff id is not a string");
    out.diff_ids.push_back(id.get<std::string>());
  }
  return out;
}

absl::StatusOr<std::string> PatchConfig(const std::string& config_json, const ConfigPatch& patch) {
  std::string text = config_json.empty() ? DefaultConfig() : config_json;
  Json config = Json::parse(text, nullptr, false);
  if (config.is_discarded()) return InvalidArgument("failed to unmarshal history from config: invalid JSON");
  auto read = ReadHistory(config);
  if (!read.ok()) return Annotate(read.status(), "failed to unmarshal history from config");
  std::vector<HistoryItem> history = *std::move(read);
  NormalizeHistory(history, patch.origins);
  BK_RETURN_IF_ERROR(CheckConfig(config));

  Members members;
  if (!SplitObject(text, members)) return InvalidArgument("failed to parse image config for patch: not an object");
  std::map<std::string, std::string> out;
  for (auto& [key, value] : members) out[key] = GoJsonCompact(value);
  out["rootfs"] = RootFsText(patch.diff_ids);
  if (patch.epoch_seconds) LowerTimes(history, *patch.epoch_seconds, patch.base);
  out["history"] = HistoryText(history);
  if (auto created = out.find("created"); created == out.end()) {
    std::optional<ImageTime> last;
    for (const HistoryItem& item : history) {
      if (item.created) last = item.created;
    }
    out["created"] = last ? GoJsonString(last->text) : "null";
  } else if (patch.epoch_seconds && created->second != "null") {
    Json value = Json::parse(created->second);
    if (!value.is_string()) return InvalidArgument("failed to unmarshal creation time ", Quote(created->second));
    BK_TRY(ImageTime time, ImageTime::Parse(value.get<std::string>()));
    if (time.After(*patch.epoch_seconds)) created->second = GoJsonString(ImageTime::FromSeconds(*patch.epoch_seconds).text);
  }
  if (!patch.inline_cache.empty()) out["moby.buildkit.cache.v0"] = StrCat("\"", Base64Encode(patch.inline_cache), "\"");

  GoJsonWriter json;
  json.BeginObject();
  for (const auto& [key, value] : out) {
    json.Key(key);
    json.Raw(value);
  }
  json.EndObject();
  return json.Take();
}

}  // namespace bk::exporter
