#include "client/progress/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/progress/interval.h"
#include "client/progress/printer.h"
#include "client/progress/status_json.h"
#include "client/progress/terminal.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::StatusResponse;

constexpr int64_t kMaxWaitNs = 60'000'000'000;  // the clock may be set while a thread sleeps

class Quiet : public Display {
 public:
  void Update(const StatusResponse&) override {}
  void Finish(const absl::Status&) override {}
};

class RawJson : public Display {
 public:
  explicit RawJson(std::FILE* out) : out_(out) {}
  void Update(const StatusResponse& status) override {
    std::string line = StatusJson(status) + "\n";
    std::fwrite(line.data(), 1, line.size(), out_);
    std::fflush(out_);
  }
  void Finish(const absl::Status&) override {}

 private:
  std::FILE* out_;
};

// Drives a printer in real time.
class Live : public Display {
 public:
  Live(std::unique_ptr<Printer> printer, const Settings& settings) : pace_(std::move(printer), settings, NowNs()), thread_([this] { Redraw(); }) {}
  ~Live() override { Stop(); }

  void Update(const StatusResponse& status) override {
    std::lock_guard lock(mutex_);
    pace_.Update(status, NowNs());
  }
  void Finish(const absl::Status&) override {
    if (Stop()) pace_.Finish(NowNs());
  }

 private:
  static int64_t NowNs() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  // False if it was stopped before.
  bool Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
    if (!thread_.joinable()) return false;
    thread_.join();
    return true;
  }
  void Redraw() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      int64_t wait_ns = std::clamp<int64_t>(SubtractNs(pace_.next_tick_ns(), NowNs()), 0, kMaxWaitNs);
      wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns));
      if (!stopped_ && NowNs() >= pace_.next_tick_ns()) pace_.Tick(NowNs());
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  Pace pace_;
  std::thread thread_;  // last: it uses the others
};

TerminalSize SizeOf(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

void Shift(google::protobuf::Timestamp* time, int64_t difference_ns) {
  int64_t ns = time->nanos() + difference_ns % 1'000'000'000;
  int64_t seconds = time->seconds() + difference_ns / 1'000'000'000;
  if (ns < 0) ns += 1'000'000'000, seconds--;
  if (ns >= 1'000'000'000) ns -= 1'000'000'000, seconds++;
  time->set_seconds(seconds);
  time->set_nanos(static_cast<int32_t>(ns));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Display>> MakeDisplay(const std::string& mode, std::FILE* out, int tty_fd) {
  if (mode == "quiet" || mode == "none") return std::make_unique<Quiet>();
  if (mode == "rawjson") return std::make_unique<RawJson>(out);
  const bool automatic = mode == "auto" || mode.empty(), terminal = tty_fd >= 0 && isatty(tty_fd) != 0;
  if (!automatic && mode != "tty" && mode != "plain") return InvalidArgument("invalid progress mode ", mode);
  if (mode == "tty" && !terminal) return FailedPrecondition("failed to get console: provided file is not a console");
  Settings settings = ReadSettings(&ProcessEnvironment);
  Sink sink = [out](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), out);
    std::fflush(out);
  };
  if (terminal && mode != "plain") {
    return std::make_unique<Live>(MakeTtyPrinter(sink, [tty_fd] { return SizeOf(tty_fd); }, settings, "Building", ""), settings);
  }
  Sink harmless = [sink, filter = TerminalText()](std::string_view text) mutable { sink(filter.Pass(text)); };
  auto printer = MakePlainPrinter(terminal ? harmless : sink, settings, "");
  return std::make_unique<Live>(std::move(printer), settings);
}

void ShiftTimes(StatusResponse& status, int64_t difference_ns) {
  if (difference_ns == 0) return;
  for (auto& v : *status.mutable_vertexes()) {
    if (v.has_started()) Shift(v.mutable_started(), difference_ns);
    if (v.has_completed()) Shift(v.mutable_completed(), difference_ns);
  }
  for (auto& s : *status.mutable_statuses()) {
    if (s.has_timestamp()) Shift(s.mutable_timestamp(), difference_ns);
    if (s.has_started()) Shift(s.mutable_started(), difference_ns);
    if (s.has_completed()) Shift(s.mutable_completed(), difference_ns);
  }
  for (auto& l : *status.mutable_logs()) {
    if (l.has_timestamp()) Shift(l.mutable_timestamp(), difference_ns);
  }
}

}  // namespace bk::client
