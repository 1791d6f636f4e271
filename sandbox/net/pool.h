// Namespaces with a CNI network, lent to one step after another: making one takes longer than a short step.
//
// One thread keeps the pool: it removes what an earlier daemon left, makes namespaces until there are `pool_size`, and takes
// away surplus ones that nobody asked for in five minutes. The destructor takes all of them away.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "sandbox/net/network_list.h"
#include "sandbox/net/provider.h"

namespace bk::net {

// How namespaces are made and taken away; by names, which become paths. Both block and may run on several threads.
struct NetworkMaker {
  std::function<absl::StatusOr<std::string>(const CancelToken& cancel, const std::string& hostname)> make;  // its id
  std::function<void(const std::string& id)> remove;
  std::function<void()> begin = [] {};  // once, before all else
  std::function<void()> end = [] {};    // once, after all else
};

struct PoolOptions {
  std::string dir;  // of the namespaces' files
  int size = 0;     // made before anybody asks
  std::chrono::milliseconds grace = std::chrono::minutes(5);  // of surplus ones
  std::chrono::milliseconds retry = std::chrono::seconds(30);  // after one could not be made
};

class PooledProvider : public Provider {
 public:
  PooledProvider(PoolOptions options, NetworkMaker maker);
  ~PooledProvider() override;
  // One with a hostname is made for it, and taken away afterwards.
  absl::StatusOr<std::unique_ptr<Namespace>> Get(const CancelToken& cancel, const std::string& hostname) override;
  // Namespaces that wait for a step.
  size_t idle() const {
    return state_.With([](const State& s) { return s.idle.size(); });
  }

 private:
  class Lent;
  using Clock = std::chrono::steady_clock;
  struct Idle {
    std::string id;
    Clock::time_point since;
  };
  struct State {
    std::deque<Idle> idle;  // the longest unused first
    int total = 0;          // idle, lent without a hostname, and being made by the keeper
    bool begun = false, stop = false, changed = false;
  };
  void Keep();
  // What the keeper does next; nothing: it waits.
  enum class Task { kNone, kMake, kRemove, kStop };
  Task Next(State& state, Clock::time_point now, std::string& surplus) const;
  void GiveBack(std::string id);
  void RemoveAll();

  const PoolOptions options_;
  const NetworkMaker maker_;
  CancelSource stopped_;
  Guarded<State> state_;
  std::thread keeper_;  // last
};

}  // namespace bk::net
