// The digest of one file, link, device or directory header: tarsum v1 of a tar header, then the file's data (trap 5).
//
// Header text: name (empty), mode, uid, gid, size, typeflag, linkname, uname, gname, devmajor, devminor, then attributes
// sorted by name, all without separators; the time is not part of it (golden keys/contenthash, "headers").
#pragma once

#include <string>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/os/root_path.h"
#include "proto/fsutil/stat.h"

namespace bk::contenthash {

// The bytes hashed before a file's data. Sockets count as plain files.
std::string EntryHeader(const fsutil::Stat& stat);

// Hashes an entry whose data arrives in pieces. One thread.
class EntryHasher {
 public:
  explicit EntryHasher(const fsutil::Stat& stat) { hasher_.Update(EntryHeader(stat)); }
  void Update(std::string_view data) { hasher_.Update(data); }
  Digest Finish() { return hasher_.FinishDigest(); }

 private:
  Sha256 hasher_;
};

// What EntryHeader needs of `path` below `root`; a final link is not followed. Device numbers stay 0 as in the reference.
absl::StatusOr<fsutil::Stat> StatEntry(const os::RootDir& root, const std::string& path);
// Digest of the entry at `path` below `root`: header and data.
absl::StatusOr<Digest> HashEntry(const CancelToken& cancel, const os::RootDir& root, const std::string& path);

}  // namespace bk::contenthash
