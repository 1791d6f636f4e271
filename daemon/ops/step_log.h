// What a step prints, on its way to the clients: bounded in size and speed, the end kept for failures.
//
// The limits are the reference's: BUILDKIT_STEP_LOG_MAX_SIZE (2 MiB) and BUILDKIT_STEP_LOG_MAX_SPEED (200 KiB a second),
// -1 for none. A piece never ends inside a UTF-8 sequence that the next one completes. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "daemon/solver/progress.h"

namespace bk::ops {

struct LogLimits {
  int64_t max_bytes = 2 << 20;
  int64_t max_bytes_per_second = 200 << 10;
  static LogLimits FromEnvironment();
};

class StepLog {
 public:
  // `now_ns`: a monotonic clock.
  StepLog(solver::VertexProgress progress, LogLimits limits, std::function<int64_t()> now_ns);
  explicit StepLog(solver::VertexProgress progress);
  void Write(int stream, std::string_view bytes);
  // The end of the output. `failed`: gives out the last 256 KiB of what was clipped.
  void Finish(bool failed);

 private:
  struct Stream {
    int64_t size = 0;
    bool clipping = false, by_speed = false, keeping = false;
    std::string tail;     // with `keeping`: the last bytes since the first clipped ones
    std::string pending;  // the begin of a UTF-8 sequence
  };
  int64_t Allowed(Stream& stream, int64_t size) const;
  std::string Take(Stream& stream, std::string_view bytes) const;

  const solver::VertexProgress progress_;
  const LogLimits limits_;
  const std::function<int64_t()> now_ns_;
  const int64_t created_ns_;
  struct Streams {
    Stream by_number[2];
  };
  Guarded<Streams> streams_;
};

// "2MiB", "200KiB", "97.65625KiB", "12B".
std::string BinarySize(int64_t bytes);

}  // namespace bk::ops
