// The image configuration as exporters write it: layers, history and times put into what the frontend gave (trap 18).
//
// Unknown top-level keys stay byte for byte (compacted), keys are sorted; history is decoded and written anew. Pure
// functions; thread-safe. Golden: layers/reproducible (kind config), findings 12 and 13.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "daemon/exporter/image_time.h"

namespace bk::exporter {

struct HistoryItem {
  std::optional<ImageTime> created;
  std::string created_by, author, comment;
  bool empty_layer = false;
  bool operator==(const HistoryItem&) const = default;
};

// What is known of a layer that the frontend's history does not mention.
struct LayerOrigin {
  std::string description;
  std::optional<ImageTime> created;
};

// The parts of a base image's configuration that stay as they are.
struct BaseImage {
  std::vector<HistoryItem> history;
  std::vector<std::string> diff_ids;
};
absl::StatusOr<BaseImage> ParseBaseImage(const std::string& config_json);

struct ConfigPatch {
  std::vector<Digest> diff_ids;
  std::vector<LayerOrigin> origins;      // one a layer
  std::optional<int64_t> epoch_seconds;  // times behind it are lowered to it
  std::optional<BaseImage> base;         // null: none known
  std::string inline_cache;              // "" for none
};

// `config_json` empty: a default configuration. `invalid image config for export: missing os`, …
absl::StatusOr<std::string> PatchConfig(const std::string& config_json, const ConfigPatch& patch);

// The top-level members of a JSON object in order, values as raw text; false if it is not an object or not valid JSON.
bool SplitObject(const std::string& json, std::vector<std::pair<std::string, std::string>>& members);

}  // namespace bk::exporter
