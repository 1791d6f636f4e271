// A tree of files as a tar archive, byte for byte as fsutil's writer makes it.
#pragma once

#include "base/cancel.h"
#include "proto/fsutil/sender.h"
#include "snapshotter/diff/stream.h"

namespace bk::exporter {

absl::Status WriteTreeArchive(const CancelToken& cancel, const fsutil::TreeSource& source, const diff::ByteSink& out);

}  // namespace bk::exporter
