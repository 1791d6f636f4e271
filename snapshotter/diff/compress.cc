#include "snapshotter/diff/compress.h"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <future>
#include <thread>
#include <vector>

namespace bk::diff {
namespace {

constexpr size_t kGzipBlock = 1 << 20;
constexpr size_t kIn = 128 << 10;

class PlainEncoder : public Encoder {
 public:
  explicit PlainEncoder(ByteSink sink) : sink_(std::move(sink)) {}
  absl::Status Write(std::string_view bytes) override { return sink_(bytes); }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  ByteSink sink_;
};

std::string GzipMember(const std::string& block, int level) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(level);
  std::string out(libdeflate_gzip_compress_bound(compressor, block.size()), '\0');
  out.resize(libdeflate_gzip_compress(compressor, block.data(), block.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

class GzipEncoder : public Encoder {
 public:
  GzipEncoder(int level, ByteSink sink) : level_(level), sink_(std::move(sink)), parallel_(std::max(2u, std::thread::hardware_concurrency())) {}
  absl::Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      size_t piece = std::min(bytes.size(), kGzipBlock - block_.size());
      block_.append(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
      if (block_.size() == kGzipBlock) BK_RETURN_IF_ERROR(Submit());
    }
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    if (!block_.empty() || !any_) BK_RETURN_IF_ERROR(Submit());
    while (!running_.empty()) BK_RETURN_IF_ERROR(Drain());
    return absl::OkStatus();
  }

 private:
  absl::Status Submit() {
    any_ = true;
    running_.push_back(std::async(std::launch::async, [block = std::move(block_), level = level_] { return GzipMember(block, level); }));
    block_.clear();
    return running_.size() > parallel_ ? Drain() : absl::OkStatus();
  }
  absl::Status Drain() {
    std::string member = running_.front().get();
    running_.pop_front();
    return sink_(member);
  }
  int level_;
  ByteSink sink_;
  size_t parallel_;
  std::string block_;
  bool any_ = false;
  std::deque<std::future<std::string>> running_;
};

class ZstdEncoder : public Encoder {
 public:
  ZstdEncoder(int level, ByteSink sink) : sink_(std::move(sink)), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize(), '\0') {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_nbWorkers, static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  }
  ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }
  absl::Status Write(std::string_view bytes) override { return Feed(bytes, ZSTD_e_continue); }
  absl::Status Finish() override { return Feed({}, ZSTD_e_end); }

 private:
  absl::Status Feed(std::string_view bytes, ZSTD_EndDirective mode) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      size_t left = ZSTD_compressStream2(context_, &out, &in, mode);
      if (ZSTD_isError(left)) return Internal("zstd: ", std::string_view(ZSTD_getErrorName(left)));
      if (out.pos > 0) BK_RETURN_IF_ERROR(sink_({out_.data(), out.pos}));
      bool done = mode == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (done) return absl::OkStatus();
    }
  }
  ByteSink sink_;
  ZSTD_CCtx* context_;
  std::string out_;
};

// Bytes that were looked at, then the rest.
class Replay : public ByteSource {
 public:
  Replay(std::string head, ByteSource& rest) : head_(std::move(head)), rest_(rest) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (at_ == head_.size()) return rest_.Read(buffer, size);
    size_t n = std::min(size, head_.size() - at_);
    std::memcpy(buffer, head_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string head_;
  size_t at_ = 0;
  ByteSource& rest_;
};

// Members one after another, checksums checked. ISA-L decodes three times as fast as zlib.
class GzipDecoder : public ByteSource {
 public:
  explicit GzipDecoder(std::unique_ptr<Replay> source) : source_(std::move(source)), in_(kIn, '\0') {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    state_.next_out = reinterpret_cast<uint8_t*>(buffer);
    state_.avail_out = static_cast<uint32_t>(size);
    while (state_.avail_out == size) {
      // What it took in already may still give output.
      if (state_.avail_in == 0 && (fresh_ || !more_inside_)) {
        BK_TRY(size_t n, source_->Read(in_.data(), in_.size()));
        if (n == 0) {
          if (between_members_) return 0;
          return DataLoss("gzip: unexpected EOF");
        }
        state_.next_in = reinterpret_cast<uint8_t*>(in_.data());
        state_.avail_in = static_cast<uint32_t>(n);
      }
      fresh_ = false;
      if (std::exchange(between_members_, false)) {
        isal_inflate_reset(&state_);
        state_.crc_flag = ISAL_GZIP;
      }
      int result = isal_inflate(&state_);
      if (result < ISAL_DECOMP_OK) return DataLoss("gzip: invalid data");
      between_members_ = state_.block_state == ISAL_BLOCK_FINISH;
      more_inside_ = state_.avail_out == 0 && !between_members_;
    }
    return size - state_.avail_out;
  }

 private:
  std::unique_ptr<Replay> source_;
  std::string in_;
  inflate_state state_;
  bool fresh_ = true, more_inside_ = false, between_members_ = false;
};

class ZstdDecoder : public ByteSource {
 public:
  explicit ZstdDecoder(std::unique_ptr<Replay> source) : source_(std::move(source)), context_(ZSTD_createDCtx()), in_(kIn, '\0') {
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);  // 128 MiB: a hostile window must not take all memory
  }
  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0) {
      if (input_.pos == input_.size) {
        BK_TRY(size_t n, source_->Read(in_.data(), in_.size()));
        if (n == 0) {
          if (frame_done_) return 0;
          return DataLoss("zstd: unexpected EOF");
        }
        input_ = {in_.data(), n, 0};
      }
      size_t left = ZSTD_decompressStream(context_, &out, &input_);
      if (ZSTD_isError(left)) return DataLoss("zstd: ", std::string_view(ZSTD_getErrorName(left)));
      frame_done_ = left == 0;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<Replay> source_;
  ZSTD_DCtx* context_;
  std::string in_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool frame_done_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Encoder>> MakeEncoder(const CompressionChoice& choice, ByteSink sink) {
  switch (choice.type) {
    case Compression::kUncompressed: return std::make_unique<PlainEncoder>(std::move(sink));
    case Compression::kGzip: {
      // -2 is Huffman coding alone in Go, -1 the default.
      int level = choice.level == -1 ? 6 : choice.level == -2 ? 1 : choice.level;
      if (level < 0 || level > 9) return InvalidArgument("gzip: invalid compression level: ", choice.level);
      return std::make_unique<GzipEncoder>(level, std::move(sink));
    }
    case Compression::kZstd: {
      // The four speeds of the reference's encoder, by level.
      int level = choice.level < 0 ? 3 : std::clamp(choice.level, 1, 22);
      return std::make_unique<ZstdEncoder>(level, std::move(sink));
    }
    case Compression::kEstargz: break;
  }
  return Unimplemented("compression estargz is not built yet");
}

Compression DetectCompression(std::string_view bytes) {
  if (bytes.starts_with("\x1f\x8b\x08")) return Compression::kGzip;
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  return Compression::kUncompressed;
}

absl::StatusOr<std::unique_ptr<ByteSource>> MakeDecoder(ByteSource& source) {
  std::string head(4, '\0');
  size_t done = 0;
  while (done < head.size()) {
    BK_TRY(size_t n, source.Read(head.data() + done, head.size() - done));
    if (n == 0) break;
    done += n;
  }
  head.resize(done);
  Compression kind = DetectCompression(head);
  auto replay = std::make_unique<Replay>(std::move(head), source);
  std::unique_ptr<ByteSource> decoder;
  if (kind == Compression::kGzip) {
    decoder = std::make_unique<GzipDecoder>(std::move(replay));
  } else if (kind == Compression::kZstd) {
    decoder = std::make_unique<ZstdDecoder>(std::move(replay));
  } else {
    decoder = std::move(replay);
  }
  return decoder;
}

}  // namespace bk::diff
