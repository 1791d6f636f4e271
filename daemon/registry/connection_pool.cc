#include "daemon/registry/connection_pool.h"

#include <algorithm>
#include <ctime>
#include <vector>

namespace bk::registry {
namespace {

constexpr size_t kMaxIdle = 16;
constexpr int64_t kMaxIdleNs = 60'000'000'000;

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

ChannelPtr ConnectionPool::Take(const std::string& origin) {
  std::list<Idle> old;  // closed outside the lock
  ChannelPtr taken;
  idle_.With([&](std::list<Idle>& idle) {
    auto fresh = std::find_if(idle.begin(), idle.end(), [now = NowNs()](const Idle& entry) { return now - entry.since_ns < kMaxIdleNs; });
    old.splice(old.end(), idle, idle.begin(), fresh);
    auto found = std::find_if(idle.rbegin(), idle.rend(), [&](const Idle& entry) { return entry.channel->origin == origin; });
    if (found == idle.rend()) return;
    taken = std::move(found->channel);
    idle.erase(std::next(found).base());
  });
  return taken != nullptr ? std::move(taken) : std::make_unique<Channel>(origin);
}

void ConnectionPool::Give(ChannelPtr channel) {
  std::list<Idle> old;
  idle_.With([&](std::list<Idle>& idle) {
    idle.push_back({std::move(channel), NowNs()});
    if (idle.size() > kMaxIdle) old.splice(old.end(), idle, idle.begin());
  });
}

}  // namespace bk::registry
