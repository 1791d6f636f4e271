// docker-image+blob:// and oci-layout+blob://: one blob of a registry or of a client's store as a tree of one file (SRC-018).
//
// The key is that of digest, name, mode and owner: nothing is asked for it. Thread-safe; calls block. Keys: golden keys/sources.
#pragma once

#include "daemon/source/identifier.h"
#include "daemon/source/image.h"

namespace bk::source {

std::unique_ptr<Source> MakeBlobSource(const ImageSourceOptions& options);

// Brings the blob into the content store, verified, and opens it; its size in bytes goes to `size_bytes`. InvalidArgument for
// digests other than sha256.
absl::StatusOr<os::UniqueFd> FetchBlob(const CancelToken& cancel, const cache::FetchContext& context, const ImageSourceOptions& options, const BlobIdentifier& id, int64_t& size_bytes);

}  // namespace bk::source
