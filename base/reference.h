// Names of images: "[domain/]path[:tag][@digest]", and how short ones are completed.
//
// Two grammars (golden text/reference): names that users write are completed (distribution/reference: docker.io and
// library/ are filled in, "latest" only on request); those in source identifiers are taken as they are (containerd's
// pkg/reference, which reads them as URLs). Values, thread-safe.
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
  // What a registry is asked for: a digest makes the tag meaningless, nothing means "latest".
  ImageReference ForRegistry() const;
  ImageReference WithDigest(Digest digest) const;

 private:
  std::string Suffix() const;
  std::string domain_, path_, tag_;
  Digest digest_;
};

// The name in docker-image://, oci-layout:// and their blob schemes: "host/path" and ":object", "@digest" or both.
struct SourceReference {
  std::string locator;  // "docker.io/library/alpine"
  std::string object;   // "3.20", "@sha256:…", "3.20@sha256:…"; "" if none

  // InvalidArgument: `invalid reference`, `hostname required`, or what net/url says.
  static absl::StatusOr<SourceReference> Parse(std::string_view text);
  // As Parse, with `object required`.
  static absl::StatusOr<SourceReference> ParseWithObject(std::string_view text);
  std::string hostname() const { return locator.substr(0, locator.find('/')); }
  std::string tag() const { return object.substr(0, object.find('@')); }
  std::string digest_text() const;  // may be anything; "" if none
  std::string str() const;
  bool operator==(const SourceReference&) const = default;
};

}  // namespace bk
