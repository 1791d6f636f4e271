// Compressing and decompressing layers. Compressed bytes depend on the input alone, never on the number of threads.
//
// gzip: blocks of 1 MiB compressed in parallel by libdeflate, each a gzip member of its own (RFC 1952 allows several; every
// reader of layers takes them). zstd: libzstd with workers (0 workers would give other bytes). Not thread-safe per object.
#pragma once

#include <memory>

#include "base/oci.h"
#include "snapshotter/diff/stream.h"

namespace bk::diff {

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual absl::Status Write(std::string_view bytes) = 0;
  virtual absl::Status Finish() = 0;
};

// InvalidArgument for a level the algorithm does not have. Estargz is Unimplemented ("not built yet").
absl::StatusOr<std::unique_ptr<Encoder>> MakeEncoder(const CompressionChoice& choice, ByteSink sink);

// Decodes what its first bytes say: gzip, zstd, or plain.
absl::StatusOr<std::unique_ptr<ByteSource>> MakeDecoder(ByteSource& source);

// What `bytes` (the beginning of a blob) are.
Compression DetectCompression(std::string_view bytes);

}  // namespace bk::diff
