#include "daemon/control/history_filter.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/time/time.h"
#include "base/filter.h"
#include "base/go_parse.h"
#include "base/git_url.h"

namespace bk::control {
namespace {

using Record = api::BuildHistoryRecord;
using Condition = std::function<bool(const Record&)>;

constexpr int64_t kSecond = 1'000'000'000;

int64_t FloorSeconds(int64_t ns) { return ns / kSecond - (ns % kSecond < 0 ? 1 : 0); }

// "2026-01-02T03:04:05.6+01:00", as Go's time.RFC3339 takes it, in seconds since the epoch.
std::optional<int64_t> ParseRfc3339(const std::string& text) {
  absl::Time time;
  std::string error;
  bool plausible = text.size() >= 20 && text[4] == '-' && text[10] == 'T' && text.find(' ') == std::string::npos;
  if (!plausible || !absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return std::nullopt;
  return absl::ToUnixSeconds(time);
}

std::optional<std::string> Repository(const Record& record) {
  const auto& attrs = record.frontendattrs();
  if (auto source = attrs.find("vcs:source"); source != attrs.end()) return source->second;
  auto context = attrs.find("context");
  if (context == attrs.end()) return std::nullopt;
  auto url = GitUrl::Parse(context->second);
  return url.ok() ? std::optional(url->remote) : std::nullopt;
}

FilterFields Fields(const Record& record) {
  return [&record](const FieldPath& path) -> std::optional<std::string> {
    if (path[0] == "ref") return record.ref().empty() ? std::nullopt : std::optional(record.ref());
    if (path[0] == "repository") return Repository(record);
    if (path[0] != "status") return std::nullopt;
    if (!record.has_completedat()) return "running";
    if (!record.has_error()) return "completed";
    return record.error().message().find("context canceled") != std::string::npos ? "canceled" : "error";
  };
}

// Of a running build the end and the length count as 0.
int64_t Measured(const std::string& key, const Record& record) {
  const auto &start = record.createdat(), &end = record.completedat();
  if (key == "startedAt") return start.seconds();
  if (!record.has_completedat()) return 0;
  if (key == "completedAt") return end.seconds();
  int64_t ns;
  bool fits = !__builtin_mul_overflow(end.seconds() - start.seconds(), kSecond, &ns) && !__builtin_add_overflow(ns, end.nanos() - start.nanos(), &ns);
  return fits ? ns : std::numeric_limits<int64_t>::max();
}

bool Holds(std::string_view op, int64_t value, int64_t bound) {
  if (op == ">=") return value >= bound;
  if (op == "<=") return value <= bound;
  if (op == ">") return value > bound;
  return value < bound;
}

// Null for a field that is no condition on time.
absl::StatusOr<Condition> TimeCondition(const std::string& field, int64_t now_ns) {
  std::string op, key, bound;
  for (const char* candidate : {">=", "<=", ">", "<"}) {
    size_t at = field.find(candidate);
    if (at == std::string::npos) continue;
    op = candidate;
    key = field.substr(0, at);
    bound = field.substr(at + op.size());
    break;
  }
  if (key != "startedAt" && key != "completedAt" && key != "duration") return Condition();
  auto length = ParseDurationNs(bound);
  int64_t limit = 0;
  if (key == "duration") {
    if (!length.ok()) return Unknown("invalid duration ", bound);
    limit = *length;
  } else if (length.ok()) {
    int64_t then = 0;
    limit = FloorSeconds(__builtin_sub_overflow(now_ns, *length, &then) ? std::numeric_limits<int64_t>::min() : then);
  } else {
    std::optional<int64_t> time = ParseRfc3339(bound);
    if (!time.has_value()) return Unknown("invalid time ", bound);
    limit = *time;
  }
  return Condition([=](const Record& record) { return Holds(op, Measured(key, record), limit); });
}

// One filter: all of its conditions.
absl::StatusOr<std::vector<Condition>> ParseFilter(const std::string& text, int64_t now_ns) {
  auto fields = ParseCsvLine(text);
  if (!fields.ok()) return Unknown(Message(fields.status()));
  std::vector<Condition> conditions;
  std::string rest;
  for (const std::string& field : *fields) {
    BK_TRY(Condition condition, TimeCondition(field, now_ns));
    if (condition != nullptr) {
      conditions.push_back(std::move(condition));
    } else {
      rest += (rest.empty() ? "" : ",") + field;
    }
  }
  auto filter = Filter::Parse({rest});
  if (!filter.ok()) return Unknown("failed to parse history filters ", text, ": ", Message(filter.status()));
  conditions.push_back([filter = *std::move(filter)](const Record& record) { return filter.Matches(Fields(record)); });
  return conditions;
}

bool IsNewer(const api::BuildHistoryEvent& a, const api::BuildHistoryEvent& b) {
  if (!a.has_record() || !b.has_record()) return a.has_record() && !b.has_record();
  const auto &left = a.record().createdat(), &right = b.record().createdat();
  return std::pair(left.seconds(), left.nanos()) > std::pair(right.seconds(), right.nanos());
}

}  // namespace

absl::StatusOr<std::vector<api::BuildHistoryEvent>> FilterHistory(std::vector<api::BuildHistoryEvent> events, const std::vector<std::string>& filters, int32_t limit, int64_t now_ns) {
  std::vector<std::vector<Condition>> any;
  for (const std::string& text : filters) {
    BK_TRY(std::vector<Condition> all, ParseFilter(text, now_ns));
    any.push_back(std::move(all));
  }
  auto wanted = [&](const api::BuildHistoryEvent& event) {
    return event.has_record() && std::any_of(any.begin(), any.end(), [&](const std::vector<Condition>& all) {
      return std::all_of(all.begin(), all.end(), [&](const Condition& condition) { return condition(event.record()); });
    });
  };
  if (!any.empty()) std::erase_if(events, [&](const api::BuildHistoryEvent& event) { return !wanted(event); });
  if (limit == 0) return events;
  if (limit < 0) return Unknown("invalid limit ", limit);
  std::stable_sort(events.begin(), events.end(), &IsNewer);
  if (events.size() > static_cast<size_t>(limit)) events.resize(static_cast<size_t>(limit));
  return events;
}

}  // namespace bk::control
