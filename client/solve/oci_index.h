// index.json of an OCI image layout: which images a directory of blobs holds, by name or tag.
//
// Changes are made under a lock file, as the reference makes them. Blocks on files only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"

namespace bk::client {

class OciIndex {
 public:
  explicit OciIndex(std::string directory) : directory_(std::move(directory)) {}

  // Digest of the image with that name, else with that tag; nothing if there is none.
  absl::StatusOr<std::optional<Digest>> Find(const std::string& tag) const;

  struct Name {
    std::string text;
    bool is_tag = false;  // else a full image name
  };
  // Adds the image with `descriptor_json` under each name, in place of those that had it; writes oci-layout beside it.
  absl::Status Put(const std::string& descriptor_json, const std::vector<Name>& names) const;

 private:
  std::string directory_;
};

}  // namespace bk::client
