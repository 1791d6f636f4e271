#include "base/os/program_pages.h"

#include <doctest/doctest.h>
#include <link.h>

#include <cstdlib>
#include <utility>

#include "base/os/file.h"
#include "base/split.h"

using namespace bk;

namespace {

// This program's code: its first byte and its length.
std::pair<const volatile char*, size_t> Code() {
  std::pair<const volatile char*, size_t> out;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* result) {
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
          *static_cast<decltype(out)*>(result) = {reinterpret_cast<const volatile char*>(object->dlpi_addr + segment.p_vaddr), segment.p_memsz};
        }
        return 1;  // the program is the first
      },
      &out);
  return out;
}

// kB of it that are mapped, of smaps.
int MappedCode() {
  std::string program = os::ReadLink("/proc/self/exe").value(), text = os::ReadFile("/proc/self/smaps").value();
  bool here = false;
  int kb = 0;
  for (std::string_view line : Split(text, '\n')) {
    if (line.find(" r-xp ") != line.npos || line.find(" r--p ") != line.npos || line.find(" rw-p ") != line.npos) here = line.find(" r-xp ") != line.npos && line.ends_with(program);
    if (here && line.starts_with("Rss:")) kb += std::atoi(std::string(SplitNonEmpty(line, ' ').at(1)).c_str());
  }
  return kb;
}

int One() { return 1; }
int Two() { return 2; }
int (*const kRelocated[])() = {&One, &Two};
int (*writable)() = &One;

}  // namespace

TEST_CASE("the program's clean pages are unmapped and come back when they are used; what was relocated or written stays") {
  auto [code, size] = Code();
  int sum = 0;
  for (size_t at = 0; at < size; at += 4096) sum += code[at];
  int before = MappedCode();
  CHECK(before >= static_cast<int>(size / 1024 * 9 / 10));
  writable = &Two;
  REQUIRE(os::UnmapCleanPages().ok());
  CHECK(MappedCode() < before / 2);
  for (size_t at = 0; at < size; at += 4096) sum -= code[at];
  CHECK(sum == 0);
  CHECK(kRelocated[0]() == 1);
  CHECK(kRelocated[1]() == 2);
  CHECK(writable() == 2);
}
