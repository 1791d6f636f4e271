// The tar format as layers use it: a writer whose bytes equal Go's archive/tar, and a reader for whatever registries hold.
//
// Writer: USTAR as long as everything fits, else a PAX header (golden layers, finding 1); GNU's format for headers that
// were read in it; global headers as they are. Reader: USTAR, PAX (with 0.1 and
// 1.0 sparse), GNU long names and base-256 numbers; every size and count is bounded (hostile.md 53, 54). Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "snapshotter/diff/stream.h"

namespace bk::diff {

struct TarTime {
  int64_t seconds = 0;
  int64_t nanoseconds = 0;  // 0 … 999999999
  bool operator==(const TarTime&) const = default;
};

struct TarHeader {
  char type = '0';  // '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo
  std::string name, link_name;
  int64_t mode = 0;  // permission bits with setuid, setgid, sticky
  int64_t uid = 0, gid = 0, size_bytes = 0;
  TarTime mtime;
  bool has_atime = false;
  TarTime atime;
  int64_t dev_major = 0, dev_minor = 0;
  std::string user_name, group_name;
  bool gnu = false;  // GNU's format: no records, no fractions of seconds
  std::optional<int64_t> gnu_atime, gnu_ctime;  // seconds, where such a header has them
  std::map<std::string, std::string> pax;  // all records (reading), extra ones (writing): "SCHILY.xattr.…"
};

// The header blocks of one entry. Unknown for fields no format can carry.
absl::StatusOr<std::string> EncodeTarHeader(const TarHeader& header);

class TarWriter {
 public:
  explicit TarWriter(ByteSink sink) : sink_(std::move(sink)) {}
  // Entries with size > 0 are followed by exactly that many bytes through Data.
  absl::Status Header(const TarHeader& header);
  absl::Status Data(std::string_view bytes);
  absl::Status Close();  // 1024 zero bytes

 private:
  absl::Status Pad();
  ByteSink sink_;
  int64_t remaining_ = 0, padding_ = 0;
};

class TarReader {
 public:
  explicit TarReader(ByteSource& source) : source_(source) {}
  // False at the end of the archive. Skips what is left of the entry before.
  absl::StatusOr<bool> Next(TarHeader& header);
  // Up to `size` bytes of the entry's data, holes as zeros; 0 at its end.
  absl::StatusOr<size_t> Read(char* buffer, size_t size);

 private:
  struct Extent {
    int64_t offset, size;
  };
  absl::Status ReadFully(char* buffer, size_t size, bool* at_end = nullptr);
  absl::Status Skip(int64_t size);
  absl::StatusOr<bool> SkipPadding();
  absl::StatusOr<std::string> ReadMetadata(int64_t size);
  absl::Status ApplyPax(TarHeader& header);
  absl::Status ReadSparseMap(TarHeader& header);

  ByteSource& source_;
  int64_t remaining_ = 0;  // stored bytes of the entry that were not read
  int64_t padding_ = 0;
  bool sparse_ = false;
  std::vector<Extent> extents_;
  size_t extent_ = 0;
  int64_t position_ = 0, logical_size_ = 0;
};

// "K V\n" records of a PAX header.
absl::StatusOr<std::map<std::string, std::string>> ParsePaxRecords(std::string_view text);

}  // namespace bk::diff
