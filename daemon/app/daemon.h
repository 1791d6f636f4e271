// buildkitd as one object: opens the store, wires the rooms, serves the sockets, drains and ends.
//
// Members stand in order of acquisition: what comes later uses what comes before and ends first. Made, run and destroyed on the
// main thread, which has SIGTERM and SIGINT blocked before any other thread starts (docs/threading.md).
#pragma once

#include <memory>

#include "daemon/config/config.h"

namespace bk::app {

class Daemon {
 public:
  // Everything up to serving sockets. The error names what cannot work and the fix; nothing is left behind.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const config::Config& config);
  ~Daemon();

  // Blocks until a signal ended it: the first drains for at most --drain-timeout, the second cancels builds at once, the third
  // ends the process hard. `signals` is a signalfd(2) of SIGTERM and SIGINT.
  void RunUntilSignal(int signals);

 private:
  struct Rooms;
  explicit Daemon(std::unique_ptr<Rooms> rooms);
  std::unique_ptr<Rooms> rooms_;
};

}  // namespace bk::app
