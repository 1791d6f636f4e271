#include "base/os/program_pages.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

#include "base/os/file.h"
#include "base/split.h"

using namespace bk;

namespace {

constexpr size_t kSize = 1 << 20;

// Of a private mapping of a file with `kSize` times 'f'.
struct Mapped {
  Mapped() : temp(os::TempDir::Make("pages").value()) {
    std::string path = temp.path() + "/f";
    REQUIRE(os::WriteFile(path, std::string(kSize, 'f'), 0600).ok());
    os::UniqueFd fd = os::Open(path, O_RDONLY).value();
    bytes = static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0));
    REQUIRE(bytes != MAP_FAILED);
  }
  ~Mapped() { munmap(bytes, kSize); }
  void ReadOnly() { REQUIRE(mprotect(bytes, kSize, PROT_READ) == 0); }
  int Count(char c) const {
    int n = 0;
    for (size_t i = 0; i < kSize; i += 4096) n += *static_cast<volatile char*>(bytes + i) == c;
    return n;
  }
  // Resident kB, of smaps.
  std::string Rss() const {
    bool here = false;
    std::string text = os::ReadFile("/proc/self/smaps").value();
    for (std::string_view line : Split(text, '\n')) {
      if (line.find(temp.path()) != line.npos) here = true;
      if (here && line.starts_with("Rss:")) return std::string(SplitNonEmpty(line, ' ').at(1));
    }
    return "none";
  }
  os::TempDir temp;
  char* bytes;
};

}  // namespace

TEST_CASE("clean pages of files are unmapped and come back when they are read") {
  Mapped m;
  m.ReadOnly();
  CHECK(m.Count('f') == kSize / 4096);
  CHECK(m.Rss() == "1024");
  REQUIRE(os::UnmapCleanPages().ok());
  CHECK(m.Rss() == "0");
  CHECK(m.Count('f') == kSize / 4096);
}

TEST_CASE("pages that are not in the file stay: written before they became read-only, or still writable") {
  Mapped relocated, writable;
  for (Mapped* m : {&relocated, &writable}) m->bytes[8192] = 'x';
  relocated.ReadOnly();
  REQUIRE(os::UnmapCleanPages().ok());
  for (Mapped* m : {&relocated, &writable}) {
    CHECK(m->Count('x') == 1);
    CHECK(m->Count('f') == kSize / 4096 - 1);
  }
}
