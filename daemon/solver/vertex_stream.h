// What one watcher of a build is told of its vertices: as they were said, and what follows from it.
//
// A step that starts shows that its inputs are there: inputs that never said so were found in the cache (trap 10). When
// the build ends, what started and did not complete was cancelled. Not thread-safe; one per watcher.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "daemon/solver/progress.h"

namespace bk::solver {

class VertexStream : public ProgressSink {
 public:
  explicit VertexStream(ProgressSink& out) : out_(out) {}
  void Vertex(const VertexEvent& event) override;
  void Status(const StatusEvent& event) override { out_.Status(event); }
  void Log(const LogEvent& event) override { out_.Log(event); }
  void Warning(const WarningEvent& event) override { out_.Warning(event); }
  // The build is over.
  void Finish();

 private:
  void CompleteInputs(const VertexEvent& event);
  void MarkCached(const std::string& digest);

  ProgressSink& out_;
  std::unordered_map<std::string, VertexEvent> last_;  // by digest
  std::unordered_set<std::string> cached_;
};

}  // namespace bk::solver
