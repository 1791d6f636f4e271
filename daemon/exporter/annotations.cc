#include "daemon/exporter/annotations.h"

#include <re2/re2.h>

namespace bk::exporter {
namespace {

void Assign(TextMap& to, const TextMap& from) {
  for (const auto& [key, value] : from) to[key] = value;
}

TextMap* KindOf(Annotations& annotations, const std::string& kind) {
  if (kind == "index") return &annotations.index;
  if (kind == "index-descriptor") return &annotations.index_descriptor;
  if (kind.empty() || kind == "manifest") return &annotations.manifest;
  if (kind == "manifest-descriptor") return &annotations.manifest_descriptor;
  return nullptr;
}

}  // namespace

absl::StatusOr<AnnotationGroups> AnnotationGroups::Take(TextMap& attrs) {
  static const RE2 kKey(R"(^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)$)");
  AnnotationGroups out;
  TextMap rest;
  for (const auto& [name, value] : attrs) {
    std::string kind, platform, key;
    if (!RE2::FullMatch(name, kKey, &kind, &platform, &key)) {
      rest[name] = value;
      continue;
    }
    std::string group;
    if (!platform.empty()) {
      BK_TRY(Platform parsed, ParsePlatform(platform));
      group = FormatPlatformAll(parsed);
    }
    Annotations none;
    if (KindOf(none, kind) == nullptr) return InvalidArgument("unrecognized annotation type ", kind);
    (*KindOf(out.groups_[group], kind))[key] = value;
  }
  attrs = std::move(rest);
  return out;
}

void AnnotationGroups::Merge(const AnnotationGroups& other) {
  for (const auto& [group, from] : other.groups_) {
    Annotations& to = groups_[group];
    Assign(to.index, from.index);
    Assign(to.index_descriptor, from.index_descriptor);
    Assign(to.manifest, from.manifest);
    Assign(to.manifest_descriptor, from.manifest_descriptor);
  }
}

Annotations AnnotationGroups::For(const Platform* platform) const {
  Annotations out;
  for (const auto& [group, from] : groups_) {
    Assign(out.index, from.index);
    Assign(out.index_descriptor, from.index_descriptor);
  }
  std::vector<std::string> wanted = {""};
  if (platform != nullptr) wanted.push_back(FormatPlatformAll(*platform));
  for (const std::string& group : wanted) {
    auto it = groups_.find(group);
    if (it == groups_.end()) continue;
    Assign(out.manifest, it->second.manifest);
    Assign(out.manifest_descriptor, it->second.manifest_descriptor);
  }
  return out;
}

}  // namespace bk::exporter
