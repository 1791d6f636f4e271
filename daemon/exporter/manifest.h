// The documents around an image, byte for byte as Go's encoder writes them: manifest, index, OCI layout, Docker's list.
//
// Pure functions; thread-safe. Formats: OCI image-spec v1.1, Docker image manifest v2.2. Golden: layers/export.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/oci.h"
#include "base/platform.h"

namespace bk::exporter {

// A descriptor as documents hold it.
struct Entry {
  Descriptor descriptor;
  std::optional<Platform> platform;
};

// One line; what clients get as "containerimage.descriptor" (in base64).
std::string EntryText(const Entry& entry);

struct ManifestParts {
  bool oci = true;  // media types of manifest and config
  Descriptor config;
  std::vector<Descriptor> layers;  // annotations as they shall stand
  std::map<std::string, std::string> annotations;
};
std::string ManifestText(const ManifestParts& parts);

// Indented with two spaces; `media_type` names the kind (OCI index or Docker list).
std::string IndexText(const std::string& media_type, const std::vector<Entry>& manifests, const std::map<std::string, std::string>& annotations);
// index.json of an OCI layout: one line.
std::string LayoutIndexText(const std::vector<Entry>& manifests);
std::string LayoutText();  // oci-layout

// manifest.json that `docker load` reads.
struct DockerImage {
  Digest config;
  std::vector<std::string> repo_tags;  // familiar names
  std::vector<Digest> layers;
};
std::string DockerListText(const std::vector<DockerImage>& images);

// The layer type in the other family of media types; types of neither stay as they are.
std::string LayerMediaType(const std::string& type, bool oci);
std::string DistributableType(const std::string& type);
// A layer that has URLs stays at those places if that is preferred, and its type says so; every other one loses them and
// is to be distributed.
Descriptor PlacedLayer(Descriptor layer, bool prefer_nondistributable);
// "blobs/sha256/…".
std::string BlobPath(const Digest& digest);

}  // namespace bk::exporter
