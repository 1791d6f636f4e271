#include <doctest/doctest.h>

#include "snapshotter/diff/compress.h"

using namespace bk;
using namespace bk::diff;

namespace {

std::string Encode(const CompressionChoice& choice, std::string_view bytes, size_t piece) {
  std::string out;
  auto encoder = MakeEncoder(choice, [&](std::string_view part) {
    out += part;
    return absl::OkStatus();
  });
  REQUIRE(encoder.ok());
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) REQUIRE((*encoder)->Write(bytes.substr(0, piece)).ok());
  REQUIRE((*encoder)->Finish().ok());
  return out;
}

absl::StatusOr<std::string> Decode(std::string_view bytes) {
  StringSource source(bytes);
  BK_TRY(auto decoder, MakeDecoder(source));
  std::string out, buffer(10000, '\0');
  while (true) {
    BK_TRY(size_t n, decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return out;
    out.append(buffer, 0, n);
  }
}

std::string Sample() {
  std::string bytes;
  for (int64_t i = 0; bytes.size() < 3'500'000; i++) bytes += StrCat("line ", i * 7919 % 1000, "\n");
  return bytes;
}

}  // namespace

TEST_CASE("every compression gives back its input, and the same bytes however it is written") {
  std::string sample = Sample();
  for (Compression type : {Compression::kUncompressed, Compression::kGzip, Compression::kZstd}) {
    CompressionChoice choice{type, -1, false};
    std::string packed = Encode(choice, sample, 1000);
    CHECK(DetectCompression(packed) == type);
    CHECK(Encode(choice, sample, sample.size()) == packed);
    auto back = Decode(packed);
    REQUIRE(back.ok());
    CHECK(*back == sample);
    CHECK(*Decode(Encode(choice, "", 1)) == "");
  }
}

TEST_CASE("a cut or damaged stream is an error, never a short result") {
  for (Compression type : {Compression::kGzip, Compression::kZstd}) {
    std::string packed = Encode({type, -1, false}, Sample(), 100000);
    CHECK(Decode(std::string_view(packed).substr(0, packed.size() - 3)).status().code() == absl::StatusCode::kDataLoss);
    packed[packed.size() / 2] ^= 0x55;
    CHECK_FALSE(Decode(packed).ok());
  }
}

TEST_CASE("levels: gzip takes -2 to 9, zstd any") {
  auto sink = [](std::string_view) { return absl::OkStatus(); };
  for (int level : {-2, -1, 0, 9}) CHECK(MakeEncoder({Compression::kGzip, level, false}, sink).ok());
  for (int level : {-3, 10}) CHECK(MakeEncoder({Compression::kGzip, level, false}, sink).status().code() == absl::StatusCode::kInvalidArgument);
  for (int level : {-7, 0, 100}) CHECK(MakeEncoder({Compression::kZstd, level, false}, sink).ok());
  CHECK(MakeEncoder({Compression::kEstargz, -1, false}, sink).status().code() == absl::StatusCode::kUnimplemented);
}
