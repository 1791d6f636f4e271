// libarchive, set up for the archives that people name in Dockerfiles: tar, plain or packed by gzip, bzip2, xz or zstd.
#pragma once

#include <memory>

struct archive;

namespace bk {

struct FreeArchive {
  void operator()(archive* a) const;
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

// A reader that is yet to be opened (archive_read_open(3)); names are bytes, whatever the locale. Null: no memory.
ArchivePtr NewArchiveReader();

}  // namespace bk
