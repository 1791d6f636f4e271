// Packs what a libarchive writer writes. By name: the library's own choice by code links every filter it has.
#pragma once

#include <archive.h>

namespace bk {

// `filter`: ARCHIVE_FILTER_NONE, _GZIP, _BZIP2, _XZ or _ZSTD. ARCHIVE_OK or libarchive's code.
inline int AddFilter(archive* a, int filter) {
  switch (filter) {
    case ARCHIVE_FILTER_GZIP: return archive_write_add_filter_gzip(a);
    case ARCHIVE_FILTER_BZIP2: return archive_write_add_filter_bzip2(a);
    case ARCHIVE_FILTER_XZ: return archive_write_add_filter_xz(a);
    case ARCHIVE_FILTER_ZSTD: return archive_write_add_filter_zstd(a);
    case ARCHIVE_FILTER_NONE: return ARCHIVE_OK;
  }
  return ARCHIVE_FATAL;
}

}  // namespace bk
