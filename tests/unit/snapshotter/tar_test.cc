#include "snapshotter/diff/tar.h"

#include <doctest/doctest.h>

using namespace bk;
using namespace bk::diff;

namespace {

// The header as a reader sees what a writer made of it.
TarHeader Again(const TarHeader& header) {
  std::string bytes = *EncodeTarHeader(header) + std::string(1024, '\0');
  StringSource source(bytes);
  TarReader reader(source);
  TarHeader out;
  REQUIRE(*reader.Next(out));
  return out;
}

}  // namespace

TEST_CASE("GNU headers: large numbers in base 256, long names before the entry, times of access and change") {
  TarHeader header;
  header.gnu = true;
  header.name = std::string(150, 'n') + "/" + std::string(120, 'm');
  header.type = '2';
  header.link_name = std::string(101, 'l');
  header.uid = 3'000'000;
  header.mtime = {-5, 0};
  header.gnu_atime = 7;
  header.gnu_ctime = 8;
  TarHeader got = Again(header);
  CHECK(got.gnu);
  CHECK(got.name == header.name);
  CHECK(got.link_name == header.link_name);
  CHECK(got.uid == 3'000'000);
  CHECK(got.mtime.seconds == -5);
  CHECK(got.gnu_atime == 7);
  CHECK(got.gnu_ctime == 8);
  CHECK(got.pax.empty());
  // Three headers, two of them with a block of data.
  CHECK(EncodeTarHeader(header)->size() == 5 * 512);
}

TEST_CASE("a global header keeps its name and its records") {
  TarHeader header;
  header.type = 'g';
  header.name = "pax_global_header";
  header.pax = {{"comment", "abc"}};
  TarHeader got = Again(header);
  CHECK(got.type == 'g');
  CHECK(got.name == header.name);
  CHECK(got.pax == header.pax);
  CHECK(got.size_bytes == 0);
}

TEST_CASE("a header without special needs is USTAR, whatever it was read from") {
  TarHeader header;
  header.name = "a";
  CHECK(EncodeTarHeader(header)->substr(257, 8) == std::string("ustar\00000", 8));
  CHECK_FALSE(Again(header).gnu);
}
