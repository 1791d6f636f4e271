// The record of one build in the making: what it was asked, then what came of it.
//
// A build that was refused before it ran leaves none. Belongs to the thread of the build.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/control/history.h"
#include "daemon/llb/engine.h"

namespace bk::control {

class BuildRecorder : public llb::BuildListener {
 public:
  // Says everything that the build said, after its end.
  using StatusSource = std::function<absl::Status(solver::ProgressSink&)>;

  BuildRecorder(History* history, const llb::BuildRequest& request);
  void Started() override;
  void HasResult(const std::map<std::string, std::string>& metadata) override;
  // Writes the blobs, then the record. `status`: how the build ended; `descriptors`: what it made, by the exporter's index.
  void Finish(const absl::Status& status, const std::map<int64_t, Descriptor>& descriptors, const StatusSource& source);

 private:
  absl::Status Collect(const StatusSource& source);
  absl::Status WriteLog();
  absl::Status WriteTrace();
  absl::Status WriteError(const absl::Status& status);
  void NameResults(const std::map<int64_t, Descriptor>& descriptors);

  History* const history_;
  const std::string options_;  // of the request, as the record shows them beside the result
  api::BuildHistoryRecord record_;
  std::vector<api::StatusResponse> said_;
  bool started_ = false;
};

}  // namespace bk::control
