// The receiving side of the file-transfer protocol: brings a directory into the state that the sender describes.
//
// Nothing is written outside `dest`, whatever the sender says: paths are validated, order and parents checked, and every
// access goes through RootDir (hostile.md 24, 26). Files are complete under their name or not there, unless `in_place`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/digest.h"
#include "proto/fsutil/stat.h"
#include "proto/fsutil/stream.h"

namespace bk::fsutil {

enum class Differ { kMetadata, kNone };

// The list of a metadata-only transfer: each Stat with its size in front (32 bits, little endian).
inline constexpr char kMetadataFile[] = ".fsutil-metadata";

// Is told what changes, with a digest of the entry made on the way (content checksums).
class ChangeObserver {
 public:
  class Hasher {
   public:
    virtual ~Hasher() = default;
    virtual void Update(std::string_view data) = 0;
    virtual Digest Finish() = 0;
  };
  virtual ~ChangeObserver() = default;
  virtual std::unique_ptr<Hasher> NewHasher(const Stat& stat) = 0;
  // The entry stands on disk; `replaced`: in place of another one (never told of files). Directories that only got other
  // attributes are not told, as in the reference.
  virtual absl::Status Written(const Stat& stat, const Digest& digest, bool replaced) = 0;
  virtual absl::Status Deleted(const std::string& path) = 0;
};

struct ReceiveOptions {
  Differ differ = Differ::kMetadata;  // kNone: everything is asked for again
  bool in_place = false;              // nobody looks at the tree: files are written under their names, and none is left of a failed transfer by the caller
  bool merge = false;                 // nothing is compared, everything asked for, nothing removed
  std::function<bool(Stat&)> filter;  // may change a Stat; false leaves it out (asked about deletions with the path alone)
  std::function<void(int64_t)> progress;  // bytes of packets received so far
  // Metadata-only transfers: the entries that are received nevertheless; of the others only kMetadataFile tells.
  std::function<bool(const Stat&)> metadata_exception;
  ChangeObserver* observer = nullptr;
};

// Returns at the end of the sender's stream. The sender is told errors, unless it was told FIN before.
absl::Status ReceiveTree(const CancelToken& cancel, Stream& stream, const std::string& dest, const ReceiveOptions& options);

}  // namespace bk::fsutil
