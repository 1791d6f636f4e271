// What a build tells about itself while it runs: vertices, transfers, log lines, warnings.
//
// One of the three upward calls of the house: everything below control/ writes to a ProgressSink. Implementations are
// thread-safe and never block. Times are wall-clock nanoseconds since the epoch (0 = not set).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"

namespace bk::solver {

struct ProgressGroup {
  std::string id, name;
  bool weak = false;
};

struct VertexEvent {
  Digest digest;
  std::vector<Digest> inputs;
  std::string name;
  bool cached = false;
  int64_t started_ns = 0, completed_ns = 0;
  std::string error;
  std::optional<ProgressGroup> group;
};

// A named piece of work inside a vertex ("extracting sha256:…"); current and total in bytes (or items; 0 = unknown).
struct StatusEvent {
  Digest vertex;
  std::string id, name;
  int64_t current = 0, total = 0;
  int64_t timestamp_ns = 0, started_ns = 0, completed_ns = 0;
};

struct LogEvent {
  Digest vertex;
  int stream = 1;  // 1 stdout, 2 stderr
  std::string data;
  int64_t timestamp_ns = 0;
};

struct SourceRange {
  int start_line = 0, start_character = 0, end_line = 0, end_character = 0;
};

struct WarningEvent {
  Digest vertex;
  int64_t level = 0;
  std::string short_text;
  std::vector<std::string> detail;
  std::string url;
  std::string source_info;  // encoded pb.SourceInfo; empty = none
  std::vector<SourceRange> ranges;
};

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void Vertex(const VertexEvent& event) = 0;
  virtual void Status(const StatusEvent& event) = 0;
  virtual void Log(const LogEvent& event) = 0;
  virtual void Warning(const WarningEvent& event) = 0;
};

int64_t NowNs();

// The sink of one vertex, as ops and sources use it. Cheap to copy. Thread-safe.
class VertexProgress {
 public:
  VertexProgress() = default;  // drops everything
  VertexProgress(std::shared_ptr<ProgressSink> sink, Digest vertex) : sink_(std::move(sink)), vertex_(std::move(vertex)) {}
  const Digest& vertex() const { return vertex_; }
  ProgressSink* sink() const { return sink_.get(); }
  void Log(int stream, std::string_view data) const;
  void Warning(WarningEvent warning) const;
  // Reports one state of a transfer or sub-task. `done` sets completed.
  void Report(const std::string& id, const std::string& name, int64_t current, int64_t total, int64_t started_ns, bool done) const;

  // Opens a sub-task "<id>" now; the returned object reports its end (also after errors). `name`: the kind of work, for
  // those that clients tell apart ("transferring", "extracting").
  class Task {
   public:
    Task(const VertexProgress* owner, std::string id, std::string name);
    Task(Task&& other) noexcept;
    Task& operator=(Task&&) = delete;
    ~Task();
    // Told every 100 ms at most; the end tells the last one.
    void Update(int64_t current, int64_t total);

   private:
    const VertexProgress* owner_;
    std::string id_, name_;
    int64_t started_ns_, current_ = 0, total_ = 0;
    int64_t told_ns_ = 0;
  };
  Task Start(std::string id, std::string name = "") const { return Task(this, std::move(id), std::move(name)); }

 private:
  std::shared_ptr<ProgressSink> sink_;
  Digest vertex_;
};

}  // namespace bk::solver
