// Makes an image of a result: layers, configuration, manifest and, for several platforms, an index, in the content store.
//
// What was made is held by a lease as long as the MadeImage lives. Thread-safe; blocks on layers being made or fetched.
// Reference: exporter/containerimage writer; golden layers/export.
#pragma once

#include <memory>

#include "daemon/exporter/manifest.h"
#include "daemon/exporter/options.h"
#include "daemon/exporter/result.h"
#include "daemon/exporter/table.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/lease/lease.h"

namespace bk::exporter {

// Keeps blobs from collection until it ends. `leases` may be null (nothing collects then).
class BlobHold {
 public:
  explicit BlobHold(lease::Leases* leases);
  ~BlobHold();
  BlobHold(const BlobHold&) = delete;
  BlobHold& operator=(const BlobHold&) = delete;
  absl::Status Keep(const Digest& digest);

 private:
  lease::Leases* const leases_;
  const std::string id_;
};

// Leases of exports begin with this; those found at start are a crashed daemon's.
inline constexpr char kHoldPrefix[] = "export/";

// One image of one platform.
struct MadeManifest {
  Descriptor manifest, config;
  std::vector<Descriptor> layers;      // as the manifest lists them
  std::vector<cache::Layer> lazy;      // those that are still at their origin
};

struct MadeImage {
  Entry root;          // of the manifest or index
  Digest config;       // of a single image; empty for an index
  bool is_index = false;
  std::vector<MadeManifest> manifests;
  std::shared_ptr<BlobHold> hold;

  // Brings what is lazy into the content store, in parallel.
  absl::Status FetchLazy(const CancelToken& cancel, const cache::FetchContext& fetch) const;
  // The same of one layer; NotFound if it is none that is lazy.
  absl::Status FetchOne(const CancelToken& cancel, const cache::FetchContext& fetch, const Digest& digest) const;
  std::vector<Descriptor> Blobs() const;      // layers and configs, each once
  std::vector<Descriptor> Manifests() const;  // children first, the root last; each once
};

// `options` with the frontend's annotations merged in.
absl::StatusOr<MadeImage> MakeImage(const CancelToken& cancel, const ExporterParts& parts, const Result& result, const ImageOptions& options, const cache::FetchContext& fetch);

}  // namespace bk::exporter
