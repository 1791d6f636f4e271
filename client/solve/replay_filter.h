// A stream of status messages that begins again from the start: what was told before is taken out.
//
// Steps and transfers are known by what was said of them, logs by how many bytes of each output came. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <unordered_set>

#include "control/control.pb.h"

namespace bk::client {

class ReplayFilter {
 public:
  // The stream begins.
  void Begin();
  // Leaves what is new; false if nothing is.
  bool Take(moby::buildkit::v1::StatusResponse& message);

 private:
  struct Output {
    size_t told = 0, passed = 0;  // bytes, in all and of this stream
  };
  template <typename List>
  void KeepNew(List* list);

  int streams_ = 0;
  std::unordered_set<size_t> told_;  // hashes of messages
  std::map<std::pair<std::string, int64_t>, Output> outputs_;
};

}  // namespace bk::client
