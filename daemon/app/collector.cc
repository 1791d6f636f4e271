#include "daemon/app/collector.h"

#include <chrono>

#include "base/log.h"

namespace bk::app {
namespace {

constexpr std::chrono::seconds kPause(60);  // between two runs, as the reference's throttle

}  // namespace

Collector::Collector(cache::CacheManager* cache, std::vector<cache::PruneOptions> policies) : cache_(cache), policies_(std::move(policies)) {
  if (!policies_.empty()) thread_ = std::thread([this] { Loop(); });
}

Collector::~Collector() {
  cancel_.Cancel();
  state_.Change([](State& s) { s.stop = true; });
  if (thread_.joinable()) thread_.join();
}

void Collector::Wake() {
  state_.Change([](State& s) { s.wanted = true; });
}

void Collector::Loop() {
  while (true) {
    // The first run waits too, so that a start is not slowed down by it.
    if (state_.WaitFor(kPause, [](State& s) { return s.stop; })) return;
    bool stop = state_.WaitThen([](State& s) { return s.wanted || s.stop; },
                                [](State& s) {
                                  s.wanted = false;
                                  return s.stop;
                                });
    if (stop) return;
    Collect();
  }
}

void Collector::Collect() {
  int64_t bytes = 0, records = 0;
  absl::Status status = cache_->Prune(cancel_.token(), policies_, [&](const cache::UsageRecord& record) {
    bytes += record.size_bytes;
    records++;
  });
  if (records > 0) log::Info(StrCat("garbage collection removed ", records, " records of ", bytes, " bytes"));
  if (!status.ok() && !cancel_.token().cancelled()) log::Warning(StrCat("garbage collection: ", Message(status)));
}

}  // namespace bk::app
