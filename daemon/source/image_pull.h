// From a name to what an image consists of: index, manifest for the platform, config, layers. No layer is fetched.
//
// Documents are checked where they enter: 4 MiB each, at most 1024 layers, index in index four deep (hostile 44, 45).
// Thread-safe (functions); blocks on the origin. Rules: containerd images and platforms, reference util/pull.
#pragma once

#include <string>
#include <vector>

#include "base/platform.h"
#include "daemon/source/origin.h"
#include "snapshotter/content/content_store.h"

namespace bk::source {

struct PulledImage {
  Descriptor main;    // what the name points at
  Descriptor config;
  std::string config_json;
  std::vector<Descriptor> layers;  // lowest first
  std::vector<Digest> diff_ids;    // as many
  std::vector<Digest> documents;   // that led here: indexes, manifest, config
};

absl::StatusOr<PulledImage> PullDocuments(const CancelToken& cancel, const cache::FetchContext& context, Origin& origin, content::ContentStore& content,
                                          const SourceReference& ref, const Platform& platform);

// The media type that the document declares and its members agree with. Reference: DetectManifestBlobMediaType.
absl::StatusOr<std::string> DetectManifestType(const std::string& json);

// sha256 over the chain of diff ids (OCI image-spec, config.md "Layer ChainID").
Digest ChainId(const std::vector<Digest>& diff_ids);

}  // namespace bk::source
