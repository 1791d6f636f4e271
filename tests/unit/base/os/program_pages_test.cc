#include "base/os/program_pages.h"

#include <doctest/doctest.h>
#include <link.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "base/os/file.h"
#include "base/split.h"

using namespace bk;

namespace {

// The code of the program and its libraries: where each begins, and its length.
std::vector<std::pair<const volatile char*, size_t>> Code() {
  std::vector<std::pair<const volatile char*, size_t>> out;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* result) {
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
          static_cast<decltype(out)*>(result)->emplace_back(reinterpret_cast<const volatile char*>(object->dlpi_addr + segment.p_vaddr), segment.p_memsz);
        }
        return 0;
      },
      &out);
  return out;
}

// Reads a byte of each page of it.
int Sum() {
  int sum = 0;
  for (auto [code, size] : Code()) {
    for (size_t at = 0; at < size; at += 4096) sum += code[at];
  }
  return sum;
}

// kB of it that are mapped, of smaps.
int MappedCode() {
  std::string text = os::ReadFile("/proc/self/smaps").value();
  bool here = false;
  int kb = 0;
  for (std::string_view line : Split(text, '\n')) {
    std::vector<std::string_view> words = SplitNonEmpty(line, ' ');
    if (words.size() >= 5 && !words[0].ends_with(':')) here = words[1] == "r-xp" && words.back().starts_with('/');
    if (here && line.starts_with("Rss:")) kb += std::atoi(std::string(words.at(1)).c_str());
  }
  return kb;
}

int One() { return 1; }
int Two() { return 2; }
int (*const kRelocated[])() = {&One, &Two};
int (*writable)() = &One;

}  // namespace

TEST_CASE("the program's clean pages are unmapped and come back when they are used; what was relocated or written stays") {
  int sum = Sum(), before = MappedCode();
  writable = &Two;
  REQUIRE(os::UnmapCleanPages().ok());
  CHECK(MappedCode() < before * 3 / 4);  // what runs just now is mapped again, with what lies around it
  CHECK(Sum() == sum);
  CHECK(MappedCode() >= before * 9 / 10);
  CHECK(kRelocated[0]() == 1);
  CHECK(kRelocated[1]() == 2);
  CHECK(writable() == 2);
}
