// Spans of time in which a step ran, and the arithmetic of times in nanoseconds since the epoch. Pure.
//
// Times come from the daemon: sums and differences saturate instead of overflowing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/timestamp.pb.h"

namespace bk::client {

struct Interval {
  std::optional<int64_t> start_ns;  // none: has not begun
  std::optional<int64_t> stop_ns;   // none: runs still
  bool operator==(const Interval&) const = default;
};

int64_t AddNs(int64_t a, int64_t b);
int64_t SubtractNs(int64_t a, int64_t b);
int64_t Nanoseconds(const google::protobuf::Timestamp& time);
double Seconds(int64_t ns);

// How the displays write a length of time.
std::string DoneText(double seconds);    // at the end of a step: "0.2s"
std::string TimerText(double seconds);   // at the end of a row of the tty display; nothing counts below 0.05 s
std::string LogTimeText(int64_t ns);     // before a log line: fewer decimals as the step gets older

// Length so far, at `now_ns`; 0 if not begun.
int64_t LengthNs(const Interval& interval, int64_t now_ns);
// Sum of the lengths in seconds.
double TotalSeconds(const std::vector<Interval>& intervals, int64_t now_ns);

// In order of their start, those that touch or overlap joined. An open one swallows all that start after it.
std::vector<Interval> Merge(std::vector<Interval> intervals);

// The runs of a step by their start: a later message about a run replaces an earlier one.
using Runs = std::map<int64_t, std::optional<int64_t>>;
// All times moved by `shift_ns`.
std::vector<Interval> Merge(const Runs& runs, int64_t shift_ns = 0);

}  // namespace bk::client
