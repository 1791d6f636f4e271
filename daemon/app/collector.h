// The maintenance thread: garbage collection by the configured policies, once after start and after builds.
//
// At most one run a minute; a wake-up in between is remembered. Blocks nobody but its own thread.
#pragma once

#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/guarded.h"
#include "daemon/cache/ref.h"

namespace bk::app {

class Collector {
 public:
  // Empty policies: nothing is ever collected.
  Collector(cache::CacheManager* cache, std::vector<cache::PruneOptions> policies);
  ~Collector();
  void Wake();

 private:
  struct State {
    bool wanted = true, stop = false;
  };
  void Loop();
  void Collect();

  cache::CacheManager* const cache_;
  const std::vector<cache::PruneOptions> policies_;
  CancelSource cancel_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace bk::app
