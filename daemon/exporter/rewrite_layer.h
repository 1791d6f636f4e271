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

// Whether `layer` is one to rewrite: not if it is the base image's at its place (`base_diff_id`, "" if it has none), nor if
// its descriptor says that this was done for the same epoch already.
bool NeedsRewrite(const cache::Layer& layer, int64_t epoch_seconds, const std::string& base_diff_id);

// `layer` (in the content store) with its times lowered, compressed as asked.
absl::StatusOr<cache::Layer> RewriteLayer(const CancelToken& cancel, content::ContentStore& content, const cache::Layer& layer, int64_t epoch_seconds, const CompressionChoice& compression);

}  // namespace bk::exporter
