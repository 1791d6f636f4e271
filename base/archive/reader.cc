#include "base/archive/reader.h"

#include <archive.h>

namespace bk {

void FreeArchive::operator()(archive* a) const { archive_read_free(a); }

ArchivePtr NewArchiveReader() {
  ArchivePtr a(archive_read_new());
  if (a == nullptr) return a;
  archive_read_support_format_tar(a.get());
  archive_read_support_filter_gzip(a.get());
  archive_read_support_filter_bzip2(a.get());
  archive_read_support_filter_xz(a.get());
  archive_read_support_filter_zstd(a.get());
  archive_read_set_options(a.get(), "hdrcharset=BINARY");
  return a;
}

}  // namespace bk
