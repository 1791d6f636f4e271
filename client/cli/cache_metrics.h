// How many steps of a build came from the cache: --debug-json-cache-metrics. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "base/os/unique_fd.h"
#include "base/status.h"
#include "control/control.pb.h"

namespace bk::client {

class CacheMetrics {
 public:
  // Time counts from here. `out`: stdout, stderr, or a file that is made anew now, so that one that cannot be written is no
  // surprise at a build's end. Null for "".
  static absl::StatusOr<std::unique_ptr<CacheMetrics>> Open(const std::string& out);
  void Add(const moby::buildkit::v1::StatusResponse& status);
  // A line for each step that was not cached, then one of JSON.
  std::string Text(int64_t duration_ms) const;
  absl::Status Write() const;

 private:
  struct Step {
    std::string name;
    bool cached = false, completed = false, from = false;
  };
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::FILE* stream_ = nullptr;  // stdout or stderr; else
  os::UniqueFd file_;
  std::map<std::string, Step> steps_;  // by digest
};

}  // namespace bk::client
