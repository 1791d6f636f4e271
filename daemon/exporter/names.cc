#include "daemon/exporter/names.h"

#include "base/reference.h"

namespace bk::exporter {

std::vector<std::string> SplitNames(const std::string& names) {
  std::vector<std::string> out;
  if (names.empty()) return out;
  for (size_t at = 0; at <= names.size();) {
    size_t end = std::min(names.find(',', at), names.size());
    out.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> NormalizedNames(const std::string& names) {
  std::vector<std::string> out;
  for (const std::string& name : SplitNames(names)) {
    auto parsed = ImageReference::Parse(name);
    if (!parsed.ok()) return Annotate(parsed.status(), StrCat("failed to parse ", name));
    out.push_back(parsed->WithDefaultTag().str());
  }
  return out;
}

std::map<std::string, std::string> ImageResponse(const MadeImage& image) {
  std::map<std::string, std::string> out;
  out["containerimage.digest"] = image.root.descriptor.digest.str();
  if (!image.config.empty()) out["containerimage.config.digest"] = image.config.str();
  out["containerimage.descriptor"] = Base64Encode(EntryText(image.root));
  return out;
}

absl::Status MergeMetadata(const TextMap& extra, Result& result, ImageOptions& options) {
  for (const auto& [key, value] : extra) result.metadata[key] = value;
  TextMap metadata = result.metadata;
  BK_TRY(AnnotationGroups annotations, AnnotationGroups::Take(metadata));
  options.annotations.Merge(annotations);
  return absl::OkStatus();
}

}  // namespace bk::exporter
