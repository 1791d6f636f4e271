// Turns progress events into StatusResponse batches for one watching client (trap 10).
//
// The sink side never blocks; one writer thread takes what gathered since its last batch. A batch is cut when it
// has about 1 MiB: messages have a limit, and so have those of logs that are kept. Thread-safe.
#pragma once

#include <deque>
#include <optional>

#include "base/guarded.h"
#include "control/control.pb.h"
#include "daemon/solver/progress.h"

namespace bk::control {

class StatusQueue : public solver::ProgressSink {
 public:
  void Vertex(const solver::VertexEvent& event) override;
  void Status(const solver::StatusEvent& event) override;
  void Log(const solver::LogEvent& event) override;
  void Warning(const solver::WarningEvent& event) override;
  // No more events; Take returns nothing once the rest is taken.
  void Close();
  // Blocks for the next batch; nullopt at the end.
  std::optional<moby::buildkit::v1::StatusResponse> Take();

 private:
  struct State {
    moby::buildkit::v1::StatusResponse pending;
    std::deque<moby::buildkit::v1::StatusResponse> full;  // batches that reached the limit, oldest first
    size_t bytes = 0;                                     // of `pending`, about
    bool any = false, closed = false;
  };
  template <typename Message>
  void Count(State& state, const Message& added);
  Guarded<State> state_;
};

}  // namespace bk::control
