// Annotations of exported images: attributes "annotation[-KIND][[PLATFORM]].KEY", four kinds, for all platforms or one.
//
// Values; thread-safe. Feature rows EXP (annotations); golden layers/export.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/platform.h"

namespace bk::exporter {

using TextMap = std::map<std::string, std::string>;

struct Annotations {
  TextMap index, index_descriptor, manifest, manifest_descriptor;
};

class AnnotationGroups {
 public:
  // Takes the annotation attributes out of `attrs`. `unrecognized annotation type X`, or what platforms say.
  static absl::StatusOr<AnnotationGroups> Take(TextMap& attrs);
  // Those of `other` win.
  void Merge(const AnnotationGroups& other);
  // What holds for `platform` (null: what was not given for any): index kinds come from all groups.
  Annotations For(const Platform* platform) const;
  const std::map<std::string, Annotations>& groups() const { return groups_; }  // by platform text; "" for all

 private:
  std::map<std::string, Annotations> groups_;
};

}  // namespace bk::exporter
