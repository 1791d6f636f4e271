// What is known of a build's steps, from the status messages so far: the state that the plain and the tty display print.
//
// No output, no clock: times come with the calls. Steps of a progress group are one step. Not thread-safe.
// What the daemon sends is bounded here: steps, transfers, warnings and log bytes past the limits are dropped.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client/progress/interval.h"
#include "client/progress/log_window.h"
#include "control/control.pb.h"

namespace bk::client {

// A part of a step's work, often with bytes: "transferring context:".
struct Transfer {
  std::string id;
  int64_t current = 0, total = 0;
  int64_t time_ns = 0;
  std::optional<int64_t> started_ns, completed_ns;
  bool changed = false;  // since the plain display printed it
};

struct Step;

// A line of the tty display; made by MakeRows, kept by its step until something of the step changes.
struct Row {
  std::vector<Interval> intervals;  // in local time; empty: not shown
  bool completed = false, failed = false, canceled = false;
  std::string name;    // harmless
  std::string amount;  // "1.20MB / 3.00MB"
  Step* step = nullptr;  // of a step's first row: whose window may stand below
  bool show_window = false;
};

struct Step {
  size_t number = 0;  // in order of appearance, from 0
  std::string digest, name, error;
  bool cached = false;
  bool hidden = false;  // a group of which nothing but weak members began
  Runs runs;
  std::vector<Interval> merged;

  std::map<std::string, Transfer> transfer_by_id;
  std::vector<Transfer*> transfers;  // those that began, in that order
  std::vector<std::string> warnings;

  // Log lines that are not printed yet (plain) or all of them (tty), each with its time: "0.134 text".
  std::deque<std::string> lines;
  bool line_open = false;  // the last line has no end yet
  size_t line_bytes = 0;

  // Of the plain display.
  int index = 0;  // "#3"; 0: not printed yet
  size_t printed_of_line = 0;  // bytes of the open line
  size_t warnings_printed = 0;
  int64_t changes = 0;
  std::optional<int64_t> waits_since_ns;
  std::array<std::optional<std::string>, 10> last_lines;
  size_t next_last_line = 0;

  // Of the tty display.
  std::unique_ptr<LogWindow> window;
  size_t window_bytes = 0;
  int64_t frames_shown = 0;
  std::vector<Row> rows;
  bool rows_valid = false;

  bool started() const { return !merged.empty(); }
  bool completed() const { return started() && merged.back().stop_ns.has_value(); }
  // Ended by cancellation, which is no error of its own.
  bool canceled() const;
  void Changed(int64_t now_ns);
};

class Trace {
 public:
  // `window_lines`: the wished height of log windows (tty); 0: no windows (plain).
  explicit Trace(int window_lines);
  ~Trace();

  void Update(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns, int terminal_columns);

  // Steps that changed since they were printed, by their number.
  std::set<Step*, bool (*)(const Step*, const Step*)>& changed() { return changed_; }
  const std::vector<Step*>& started() const { return started_; }
  std::vector<Step*> Running() const;
  // All steps with the members of groups counted beside their group, as users of the reference know it; and those done.
  struct Count {
    int total = 0, completed = 0;
  };
  Count Steps() const;
  // When the build began, by the local clock.
  std::optional<int64_t> began_ns() const;
  int64_t clock_difference_ns() const { return difference_ns_; }

  // Height of log windows now: the wish, as far as `available` rows allow.
  int FitWindows(int available);
  int window_lines() const { return window_lines_; }

  // The blocks of failed steps: name and last log lines. With `harmless` nothing in them steers a terminal.
  std::string ErrorBlocks(bool harmless) const;

 private:
  struct Group;
  using StatusResponse = moby::buildkit::v1::StatusResponse;
  Step* NewStep(const std::string& digest, int terminal_columns);
  void TakeVertex(const moby::buildkit::v1::Vertex& vertex, int64_t now_ns, int terminal_columns);
  void TakeMember(const moby::buildkit::v1::Vertex& vertex, int terminal_columns, std::vector<Group*>& seen);
  void TakeGroup(Group& group, int64_t now_ns);
  void TakeTransfer(const moby::buildkit::v1::VertexStatus& status, int64_t now_ns);
  void TakeLog(const moby::buildkit::v1::VertexLog& log, int64_t now_ns, int terminal_columns);
  void AddLine(Step& step, std::string_view text, int64_t time_ns, bool continues);
  void NoteClock(int64_t started_ns, int64_t now_ns);
  Step* Find(const std::string& digest) const;

  const int wished_lines_;
  int window_lines_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::unordered_map<std::string, Step*> by_digest_;
  std::map<std::string, std::unique_ptr<Group>> groups_;
  std::unordered_map<std::string, moby::buildkit::v1::Vertex> told_;  // the last message about a step that began
  std::vector<Step*> started_;
  std::set<Step*, bool (*)(const Step*, const Step*)> changed_;
  std::optional<int64_t> began_ns_;
  int64_t difference_ns_ = 0;  // local clock minus the daemon's
};

}  // namespace bk::client
