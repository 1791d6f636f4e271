#include "client/cli/history_print.h"

#include <ctime>
#include <map>

#include "base/status.h"
#include "client/cli/message_value.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1;

// RFC 3339 in the local time zone; "" for no time.
std::string LocalTime(bool there, const google::protobuf::Timestamp& time) {
  if (!there) return "";
  time_t seconds = time.seconds();
  tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return "";
  char text[40], zone[8];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  if (parts.tm_gmtoff == 0) return StrCat(std::string_view(text), "Z");
  strftime(zone, sizeof zone, "%z", &parts);  // +hhmm
  return StrCat(std::string_view(text), std::string_view(zone, 3), ":", std::string_view(zone + 3));
}

std::string ResultLines(const std::string& platform, const api::BuildResultInfo& info) {
  std::string text, start = platform.empty() ? "  " : StrCat("  [", platform, "] ");
  std::map<int64_t, api::Descriptor> results(info.results().begin(), info.results().end());
  if (results.empty() && info.has_resultdeprecated()) results[0] = info.resultdeprecated();
  for (const auto& [index, descriptor] : results) text += StrCat(start, "descriptor: ", MessageText(descriptor), "\n");
  for (const auto& descriptor : info.attestations()) text += StrCat(start, "attestation: ", MessageText(descriptor), "\n");
  return text;
}

std::string TypeName(const api::BuildHistoryEvent& event) {
  return api::BuildHistoryEventType_IsValid(event.type()) ? api::BuildHistoryEventType_Name(event.type()) : std::to_string(event.type());
}

}  // namespace

void WriteHistoryHeader(TabWriter& table, bool pinned) { table.Write(StrCat("TYPE\tREF\tCREATED\tCOMPLETED\tGENERATION", std::string_view(pinned ? "\tPINNED" : ""), "\n")); }

void WriteHistoryRow(TabWriter& table, const api::BuildHistoryEvent& event, bool pinned) {
  const auto& record = event.record();
  table.Write(StrCat(TypeName(event), "\t", record.ref(), "\t", LocalTime(record.has_createdat(), record.createdat()), "\t",
                     LocalTime(record.has_completedat(), record.completedat()), "\t", record.generation()));
  if (pinned) table.Write(record.pinned() ? "\t*" : "\t");
  table.Write("\n");
}

std::string HistoryLines(const api::BuildHistoryEvent& event) {
  const auto& record = event.record();
  std::string text = StrCat("event: ", TypeName(event), " ref:", record.ref(), "\n");
  if (record.numtotalsteps() != 0) text += StrCat("  cache: ", record.numcachedsteps(), "/", record.numtotalsteps(), "\n");
  if (record.numwarnings() != 0) text += StrCat("  warnings: ", record.numwarnings(), "\n");
  if (record.has_logs()) text += StrCat("  logs: ", MessageText(record.logs()), "\n");
  if (record.has_trace()) text += StrCat("  trace: ", MessageText(record.trace()), "\n");
  if (record.has_result()) text += ResultLines("", record.result());
  for (const auto& [platform, info] : std::map<std::string, api::BuildResultInfo>(record.results().begin(), record.results().end())) text += ResultLines(platform, info);
  return text;
}

}  // namespace bk::client
