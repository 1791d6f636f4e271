#include "client/progress/display.h"

#include <unistd.h>

#include <map>

#include "client/progress/status_json.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::StatusResponse;

double Seconds(const google::protobuf::Timestamp& t) { return static_cast<double>(t.seconds()) + t.nanos() / 1e9; }

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

// Steps in the order of their events: a header when a step starts, its log lines, its end.
class Plain : public Display {
 public:
  explicit Plain(std::FILE* out) : out_(out) {}
  void Update(const StatusResponse& status) override {
    for (const auto& v : status.vertexes()) {
      if (v.has_started()) Change(v);
    }
    for (const auto& l : status.logs()) Log(l);
    std::fflush(out_);
  }
  void Finish(const absl::Status&) override { std::fflush(out_); }

 private:
  struct Step {
    int number = 0;
    double started = 0;
    bool done = false;
  };
  Step& Header(const std::string& digest, const std::string& name) {
    Step& step = steps_[digest];
    if (step.number == 0) {
      if (!steps_.empty() && steps_.size() > 1) std::fprintf(out_, "\n");
      step.number = static_cast<int>(steps_.size());
      std::fprintf(out_, "#%d %s\n", step.number, name.c_str());
    }
    return step;
  }
  void Change(const moby::buildkit::v1::Vertex& v) {
    Step& step = Header(v.digest(), v.name());
    step.started = Seconds(v.started());
    if (!v.has_completed() || step.done) return;
    step.done = true;
    if (!v.error().empty()) {
      std::fprintf(out_, v.error().ends_with("context canceled") ? "#%d CANCELED\n" : "#%d ERROR: %s\n", step.number, v.error().c_str());
    } else if (v.cached()) {
      std::fprintf(out_, "#%d CACHED\n", step.number);
    } else {
      std::fprintf(out_, "#%d DONE %.1fs\n", step.number, Seconds(v.completed()) - step.started);
    }
  }
  void Log(const moby::buildkit::v1::VertexLog& l) {
    auto it = steps_.find(l.vertex());
    if (it == steps_.end()) return;
    std::string_view text = l.msg();
    while (!text.empty()) {
      size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      std::fprintf(out_, "#%d %.3f %.*s\n", it->second.number, Seconds(l.timestamp()) - it->second.started, static_cast<int>(line.size()), line.data());
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  }
  std::FILE* out_;
  std::map<std::string, Step> steps_;
};

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
  if (mode == "tty" && (tty_fd < 0 || isatty(tty_fd) == 0)) return FailedPrecondition("failed to get console: provided file is not a console");
  if (mode == "plain" || mode == "auto" || mode.empty() || mode == "tty") return std::make_unique<Plain>(out);
  return InvalidArgument("invalid progress mode ", mode);
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
