#include "client/progress/interval.h"

#include <algorithm>
#include <cstdio>
#include <limits>

namespace bk::client {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Seconds that fit in nanoseconds of 64 bits.
constexpr int64_t kMaxSeconds = 9'000'000'000;

std::string Fixed(int decimals, double number) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return text;
}

}  // namespace

int64_t AddNs(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

int64_t SubtractNs(int64_t a, int64_t b) {
  int64_t difference;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

int64_t Nanoseconds(const google::protobuf::Timestamp& time) {
  return AddNs(std::clamp<int64_t>(time.seconds(), -kMaxSeconds, kMaxSeconds) * kSecond, time.nanos());
}

double Seconds(int64_t ns) { return static_cast<double>(ns / kSecond) + static_cast<double>(ns % kSecond) / 1e9; }

std::string DoneText(double seconds) { return Fixed(1, seconds) + "s"; }
std::string TimerText(double seconds) { return Fixed(1, seconds < 0.05 ? 0 : seconds) + "s"; }
std::string LogTimeText(int64_t ns) {
  double seconds = Seconds(ns);
  return Fixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1, seconds);
}

int64_t LengthNs(const Interval& interval, int64_t now_ns) {
  return interval.start_ns.has_value() ? SubtractNs(interval.stop_ns.value_or(now_ns), *interval.start_ns) : 0;
}

double TotalSeconds(const std::vector<Interval>& intervals, int64_t now_ns) {
  double sum = 0;
  for (const Interval& interval : intervals) sum += Seconds(LengthNs(interval, now_ns));
  return sum;
}

std::vector<Interval> Merge(std::vector<Interval> intervals) {
  std::erase_if(intervals, [](const Interval& i) { return !i.start_ns.has_value(); });
  std::stable_sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return *a.start_ns < *b.start_ns; });
  std::vector<Interval> merged;
  for (const Interval& next : intervals) {
    if (merged.empty() || (merged.back().stop_ns.has_value() && *merged.back().stop_ns < *next.start_ns)) {
      merged.push_back(next);
      continue;
    }
    Interval& last = merged.back();
    if (!last.stop_ns.has_value()) break;
    if (!next.stop_ns.has_value() || *last.stop_ns < *next.stop_ns) last.stop_ns = next.stop_ns;
  }
  return merged;
}

std::vector<Interval> Merge(const Runs& runs, int64_t shift_ns) {
  std::vector<Interval> intervals;
  intervals.reserve(runs.size());
  for (const auto& [start, stop] : runs) {
    intervals.push_back({AddNs(start, shift_ns), stop.has_value() ? std::optional(AddNs(*stop, shift_ns)) : std::nullopt});
  }
  return Merge(std::move(intervals));
}

}  // namespace bk::client
