#include "client/solve/replay_filter.h"

#include <functional>

namespace bk::client {

void ReplayFilter::Begin() {
  streams_++;
  for (auto& [key, output] : outputs_) output.passed = 0;
}

template <typename List>
void ReplayFilter::KeepNew(List* list) {
  List kept;
  for (auto& one : *list) {
    // Within one stream nothing is taken out: what it says twice it means twice.
    bool known = !told_.insert(std::hash<std::string>()(one.SerializeAsString())).second;
    if (!known || streams_ < 2) kept.Add()->Swap(&one);
  }
  list->Swap(&kept);
}

bool ReplayFilter::Take(moby::buildkit::v1::StatusResponse& message) {
  KeepNew(message.mutable_vertexes());
  KeepNew(message.mutable_statuses());
  KeepNew(message.mutable_warnings());
  google::protobuf::RepeatedPtrField<moby::buildkit::v1::VertexLog> logs;
  for (auto& log : *message.mutable_logs()) {
    Output& output = outputs_[{log.vertex(), log.stream()}];
    size_t size = log.msg().size(), known = std::min(size, output.told - std::min(output.told, output.passed));
    output.passed += size;
    output.told = std::max(output.told, output.passed);
    if (known == size && size > 0) continue;
    log.mutable_msg()->erase(0, known);
    logs.Add()->Swap(&log);
  }
  message.mutable_logs()->Swap(&logs);
  return message.vertexes_size() + message.statuses_size() + message.logs_size() + message.warnings_size() > 0;
}

}  // namespace bk::client
