#include "daemon/solver/progress.h"

#include <ctime>

namespace bk::solver {
namespace {

constexpr int64_t kUpdateEveryNs = 100'000'000;

}  // namespace

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void VertexProgress::Log(int stream, std::string_view data) const {
  if (sink_ != nullptr && !data.empty()) sink_->Log({vertex_, stream, std::string(data), NowNs()});
}

void VertexProgress::Warning(WarningEvent warning) const {
  if (sink_ == nullptr) return;
  if (warning.vertex.empty()) warning.vertex = vertex_;
  sink_->Warning(warning);
}

void VertexProgress::Report(const std::string& id, const std::string& name, int64_t current, int64_t total, int64_t started_ns, bool done) const {
  if (sink_ == nullptr) return;
  int64_t now = NowNs();
  sink_->Status({vertex_, id, name, current, total, now, started_ns, done ? now : 0});
}

VertexProgress::Task::Task(const VertexProgress* owner, std::string id, std::string name)
    : owner_(owner), id_(std::move(id)), name_(std::move(name)), started_ns_(NowNs()) {
  owner_->Report(id_, name_, 0, 0, started_ns_, false);
}

VertexProgress::Task::Task(Task&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      id_(std::move(other.id_)),
      name_(std::move(other.name_)),
      started_ns_(other.started_ns_),
      current_(other.current_),
      total_(other.total_),
      told_ns_(other.told_ns_) {}

VertexProgress::Task::~Task() {
  if (owner_ != nullptr) owner_->Report(id_, name_, current_, total_, started_ns_, true);
}

void VertexProgress::Task::Update(int64_t current, int64_t total) {
  current_ = current;
  total_ = total;
  int64_t now = NowNs();
  if (now - told_ns_ < kUpdateEveryNs) return;
  told_ns_ = now;
  owner_->Report(id_, name_, current, total, started_ns_, false);
}

}  // namespace bk::solver
