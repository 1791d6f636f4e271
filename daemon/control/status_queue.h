// Turns progress events into StatusResponse batches for one watching client (trap 10).
//
// The sink side never blocks; one writer thread takes what gathered since its last batch. Log data is split so that a
// message stays near 1 MiB. Thread-safe.
#pragma once

#include <optional>
#include <vector>

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
    std::vector<moby::buildkit::v1::StatusResponse> full;  // batches that reached the log limit, oldest first
    size_t log_bytes = 0;
    bool any = false, closed = false;
  };
  Guarded<State> state_;
};

}  // namespace bk::control
