// rewrite-timestamp: a layer again with every time behind the epoch lowered to it (golden layers/reproducible, finding 11).
//
// Blocks on the content store; cancellable. Thread-safe (functions).
#pragma once

#include "base/cancel.h"
#include "daemon/cache/ref.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/diff/stream.h"

namespace bk::exporter {

inline constexpr char kRewrittenAnnotation[] = "buildkit/rewritten-timestamp";

// Decodes the tar stream `in` and writes it anew.
absl::Status RewriteTar(const CancelToken& cancel, diff::ByteSource& in, int64_t epoch_seconds, const diff::ByteSink& out);

// `layer` (in the content store) with its times lowered, compressed as asked. Unchanged if its descriptor says that this
// was done for the same epoch already.
absl::StatusOr<cache::Layer> RewriteLayer(const CancelToken& cancel, content::ContentStore& content, const cache::Layer& layer, int64_t epoch_seconds, const CompressionChoice& compression);

}  // namespace bk::exporter
