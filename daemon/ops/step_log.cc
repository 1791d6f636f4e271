#include "daemon/ops/step_log.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>

#include "base/status.h"

namespace bk::ops {
namespace {

constexpr size_t kTailBytes = 256 << 10;
constexpr int64_t kNsPerSecond = 1'000'000'000;

int64_t Monotonic() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

void ReadLimit(const char* name, int64_t& limit) {
  const char* text = getenv(name);
  if (text == nullptr) return;
  std::string_view value = text;
  int32_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (!value.empty() && error == std::errc() && end == value.data() + value.size()) limit = number;
}

// Bytes at the end that begin a UTF-8 sequence without completing it (at most 3).
size_t UnfinishedTail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); back++) {
    auto c = static_cast<unsigned char>(text[text.size() - back]);
    if ((c & 0xc0) == 0x80) continue;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string BinarySize(int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  double value = static_cast<double>(bytes);
  for (; unit < 6 && (value >= 1024 || value <= -1024); unit++) value /= 1024;
  if (unit == 0) return StrCat(bytes, "B");
  char text[64];
  auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return StrCat(std::string_view(text, static_cast<size_t>(end - text)), kUnits[unit]);
}

LogLimits LogLimits::FromEnvironment() {
  LogLimits limits;
  ReadLimit("BUILDKIT_STEP_LOG_MAX_SIZE", limits.max_bytes);
  ReadLimit("BUILDKIT_STEP_LOG_MAX_SPEED", limits.max_bytes_per_second);
  return limits;
}

StepLog::StepLog(solver::VertexProgress progress, LogLimits limits, std::function<int64_t()> now_ns)
    : progress_(std::move(progress)), limits_(limits), now_ns_(std::move(now_ns)), created_ns_(now_ns_()) {}

StepLog::StepLog(solver::VertexProgress progress) : StepLog(std::move(progress), LogLimits::FromEnvironment(), Monotonic) {}

// How many of `size` more bytes may go out.
int64_t StepLog::Allowed(Stream& stream, int64_t size) const {
  int64_t before = stream.size;
  stream.size += size;
  int64_t limit = -1;
  if (limits_.max_bytes_per_second != -1) {
    int64_t seconds = std::max<int64_t>(1, (now_ns_() - created_ns_ + kNsPerSecond - 1) / kNsPerSecond);
    limit = seconds * limits_.max_bytes_per_second;
    stream.by_speed = true;
  }
  if (limit == -1 || limit > limits_.max_bytes) {
    limit = limits_.max_bytes;
    stream.by_speed = false;
  }
  if (limit == -1) return size;
  if (limit < before) return 0;
  return std::min(size, limit - before);
}

// What of `bytes` goes out now.
std::string StepLog::Take(Stream& stream, std::string_view bytes) const {
  auto size = static_cast<int64_t>(bytes.size());
  int64_t allowed = Allowed(stream, size);
  bool clipped = allowed < size;
  if (clipped) stream.keeping = true;
  if (stream.keeping) {
    stream.tail.append(bytes);
    if (stream.tail.size() > kTailBytes) stream.tail.erase(0, stream.tail.size() - kTailBytes);
  }
  std::string out = std::exchange(stream.pending, {});
  out.append(bytes.substr(0, static_cast<size_t>(allowed)));
  if (!clipped) {
    stream.clipping = false;
    size_t unfinished = UnfinishedTail(out);
    stream.pending = out.substr(out.size() - unfinished);
    out.resize(out.size() - unfinished);
  } else if (!stream.clipping) {
    stream.clipping = true;
    out += stream.by_speed ? StrCat("\n[output clipped, log limit ", BinarySize(limits_.max_bytes_per_second), "/s reached]\n")
                           : StrCat("\n[output clipped, log limit ", BinarySize(limits_.max_bytes), " reached]\n");
  }
  return out;
}

void StepLog::Write(int stream, std::string_view bytes) {
  if (bytes.empty() || stream < 1 || stream > 2) return;
  std::string out = streams_.With([&](Streams& all) { return Take(all.by_number[stream - 1], bytes); });
  if (!out.empty()) progress_.Log(stream, out);
}

void StepLog::Finish(bool failed) {
  for (int stream : {1, 2}) {
    std::string out = streams_.With([&](Streams& all) {
      Stream& s = all.by_number[stream - 1];
      std::string rest = std::exchange(s.pending, {});
      std::string tail = std::exchange(s.tail, {});
      s.keeping = false;
      return failed ? rest + tail : rest;
    });
    if (!out.empty()) progress_.Log(stream, out);
  }
}

}  // namespace bk::ops
