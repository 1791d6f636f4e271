// Everything that is told of a build while it runs: the display, the trace file, and steps of the client itself.
//
// Thread-safe. Times of the daemon are moved so that the first step starts when the build did here: clocks may differ.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/os/unique_fd.h"
#include "client/progress/display.h"

namespace bk::client {

class BuildProgress {
 public:
  // `trace` may be empty.
  BuildProgress(std::unique_ptr<Display> display, os::UniqueFd trace);

  void FromDaemon(moby::buildkit::v1::StatusResponse status);
  // A step of the client's that is over at once.
  void Note(const std::string& name);
  void Finish(const absl::Status& outcome);

 private:
  void Show(const moby::buildkit::v1::StatusResponse& status);  // under mutex_
  std::mutex mutex_;
  std::unique_ptr<Display> display_;
  os::UniqueFd trace_;
  const int64_t started_ns_;
  std::optional<int64_t> difference_ns_;
};

}  // namespace bk::client
