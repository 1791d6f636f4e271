// Layers: a decoder in front of the tar reader. Sizes and names are what the headers say, within bounds.
#include "snapshotter/diff/compress.h"
#include "snapshotter/diff/stream.h"
#include "snapshotter/diff/tar.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  diff::StringSource source(fuzz::Text(data, size));
  auto decoder = diff::MakeDecoder(source);
  if (!decoder.ok()) return 0;
  diff::TarReader tar(**decoder);
  diff::TarHeader header;
  std::string buffer(4096, '\0');
  for (int entries = 0; entries < 1000; entries++) {
    auto more = tar.Next(header);
    if (!more.ok() || !*more) return 0;
    fuzz::Require(header.size_bytes >= 0, "no size is negative", header.name);
    for (int pieces = 0; pieces < 100; pieces++) {
      auto n = tar.Read(buffer.data(), buffer.size());
      if (!n.ok()) return 0;
      if (*n == 0) break;
      fuzz::Require(*n <= buffer.size(), "no more than was asked for");
    }
  }
  return 0;
}
