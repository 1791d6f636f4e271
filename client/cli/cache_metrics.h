// How many steps of a build came from the cache: --debug-json-cache-metrics. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "control/control.pb.h"

namespace bk::client {

class CacheMetrics {
 public:
  void Add(const moby::buildkit::v1::StatusResponse& status);
  // A line for each step that was not cached, then one of JSON.
  std::string Text(int64_t duration_ms) const;

 private:
  struct Step {
    std::string name;
    bool cached = false, completed = false, from = false;
  };
  std::map<std::string, Step> steps_;  // by digest
};

// `out`: stdout, stderr, or a file that is made anew.
absl::Status WriteCacheMetrics(const std::string& out, const std::string& text);

}  // namespace bk::client
