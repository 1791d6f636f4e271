#include "base/os/program_pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <charconv>

#include "base/os/file.h"
#include "base/split.h"

namespace bk::os {
namespace {

struct Mapping {
  uintptr_t begin = 0, end = 0;
  bool clean_file = false;
};

// A mapping's first line of smaps: "55d0-55e0 r-xp 0000 fe:00 1234    /usr/bin/x"; nothing for its other lines ("Rss:  4 kB").
bool ParseHead(std::string_view line, Mapping& out) {
  std::vector<std::string_view> fields = SplitNonEmpty(line, ' ');
  if (fields.size() < 5 || fields[0].ends_with(':')) return false;
  std::string_view range = fields[0], access = fields[1];
  const char* last = range.data() + range.size();
  auto [dash, failed] = std::from_chars(range.data(), last, out.begin, 16);
  if (failed != std::errc() || dash == last || *dash != '-') return false;
  if (std::from_chars(dash + 1, last, out.end, 16).ec != std::errc()) return false;
  out.clean_file = fields.size() > 5 && fields[5].starts_with('/') && access.size() == 4 && access[1] == '-' && access[3] == 'p';
  return true;
}

absl::Status Unmap(const Mapping& mapping) {
  if (!mapping.clean_file || madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED) == 0) return absl::OkStatus();
  return ErrnoError(errno, "madvise(MADV_DONTNEED)");
}

}  // namespace

absl::Status UnmapCleanPages() {
  BK_TRY(std::string text, ReadFile("/proc/self/smaps"));
  Mapping mapping;
  for (std::string_view line : Split(text, '\n')) {
    Mapping next;
    if (ParseHead(line, next)) {
      BK_RETURN_IF_ERROR(Unmap(mapping));
      mapping = next;
    } else if (line.starts_with("Anonymous:") && SplitNonEmpty(line, ' ').at(1) != "0") {
      mapping.clean_file = false;  // changed before it became read-only, as relocations are: not in the file
    }
  }
  return Unmap(mapping);
}

}  // namespace bk::os
