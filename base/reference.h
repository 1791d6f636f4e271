// Names of images: "[domain/]path[:tag][@digest]", and how short ones are completed.
//
// Rules: distribution/reference (docker.io and library/ are filled in, "latest" only on request). Values, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/status.h"

namespace bk {

class ImageReference {
 public:
  // Completes "alpine" to "docker.io/library/alpine". InvalidArgument with the reference's texts.
  static absl::StatusOr<ImageReference> Parse(std::string_view text);

  const std::string& domain() const { return domain_; }
  const std::string& path() const { return path_; }
  const std::string& tag() const { return tag_; }        // "" if none
  const Digest& digest() const { return digest_; }       // empty if none
  bool name_only() const { return tag_.empty() && digest_.empty(); }
  std::string name() const { return domain_ + "/" + path_; }
  std::string str() const;
  std::string familiar_name() const;  // without docker.io/library/
  std::string familiar() const;       // as str()

  // With the tag "latest" if it has neither tag nor digest.
  ImageReference WithDefaultTag() const;
  ImageReference WithDigest(Digest digest) const;

 private:
  std::string Suffix() const;
  std::string domain_, path_, tag_;
  Digest digest_;
};

}  // namespace bk
