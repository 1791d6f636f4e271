#include "base/os/program_pages.h"

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace bk::os {
namespace {

// Segments that are not writable: code and constants. What relocations changed lies in writable ones, even where the loader
// made it read-only afterwards (PT_GNU_RELRO).
int UnmapSegments(dl_phdr_info* object, size_t, void* error) {
  const uintptr_t page = static_cast<uintptr_t>(getpagesize());
  uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    uintptr_t begin = object->dlpi_addr + segment.p_vaddr, end = begin + segment.p_memsz;
    begin -= begin % page;
    if (begin == vdso) continue;  // the kernel's own, of no file
    if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) != 0) *static_cast<int*>(error) = errno;
  }
  return 0;
}

}  // namespace

absl::Status UnmapCleanPages() {
  int error = 0;
  dl_iterate_phdr(&UnmapSegments, &error);  // holds the loader's lock: no address changes its owner
  return error == 0 ? absl::OkStatus() : ErrnoError(error, "madvise(MADV_DONTNEED)");
}

}  // namespace bk::os
