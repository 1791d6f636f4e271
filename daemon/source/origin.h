// Where the documents and blobs of images come from: a registry, or a store of the client.
//
// Thread-safe; calls block.
#pragma once

#include "base/reference.h"
#include "daemon/cache/ref.h"

namespace bk::source {

struct PulledImage;

inline constexpr int64_t kMaxDocumentBytes = 4 << 20;  // of a manifest, index or config

class Origin {
 public:
  virtual ~Origin() = default;
  // What the reference points at; the media type may be empty (to be read from the content).
  virtual absl::StatusOr<Descriptor> Resolve(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref) = 0;
  // Brings the blob into the content store, verified. Nothing to do if it is there.
  virtual absl::Status Fetch(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref, const Descriptor& descriptor) = 0;
  // Keeps the documents and what the name stands for, for builds that may not ask again.
  virtual absl::Status Remember(const SourceReference&, const PulledImage&) { return absl::OkStatus(); }
};
using OriginPtr = std::shared_ptr<Origin>;

}  // namespace bk::source
