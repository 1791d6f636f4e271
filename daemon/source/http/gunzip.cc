#include "daemon/source/http/gunzip.h"

#include <zlib.h>

#include <vector>

namespace bk::source::http {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib.h, inflateInit2

}  // namespace

struct Gunzip::Stream {
  z_stream z{};
  std::vector<char> out = std::vector<char>(kPieceBytes);
  bool at_end = false;  // of a member
};

Gunzip::Gunzip() : stream_(std::make_unique<Stream>()) { inflateInit2(&stream_->z, kGzipOnly); }
Gunzip::~Gunzip() { inflateEnd(&stream_->z); }

absl::Status Gunzip::Write(std::string_view bytes, const Sink& sink) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  while (z.avail_in > 0) {
    if (stream_->at_end) inflateReset(&z);
    stream_->at_end = false;
    do {
      z.next_out = reinterpret_cast<Bytef*>(stream_->out.data());
      z.avail_out = static_cast<uInt>(kPieceBytes);
      int result = inflate(&z, Z_NO_FLUSH);
      stream_->at_end = result == Z_STREAM_END;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return DataLoss("gzip: invalid data: ", z.msg == nullptr ? "" : z.msg);
      size_t made = kPieceBytes - z.avail_out;
      if (made > 0) BK_RETURN_IF_ERROR(sink({stream_->out.data(), made}));
    } while (!stream_->at_end && z.avail_out == 0);
  }
  return absl::OkStatus();
}

absl::Status Gunzip::Finish() const { return stream_->at_end ? absl::OkStatus() : DataLoss("gzip: unexpected EOF"); }

}  // namespace bk::source::http
