#include <algorithm>

#include "base/units.h"
#include "client/cli/connect.h"
#include "client/cli/print_values.h"
#include "client/cli/text_format.h"
#include "client/cli/usage_print.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::UsageRecord;
using Records = std::vector<UsageRecord>;

void WriteSummary(TabWriter& table, const Records& records) {
  int64_t total = 0, reclaimable = 0, shared = 0;
  for (const UsageRecord& record : records) {
    int64_t size = std::max<int64_t>(record.size(), 0);
    total += size;
    if (!record.inuse()) reclaimable += size;
    if (record.shared()) shared += record.size();
  }
  if (shared > 0) {
    table.Write(StrCat("Shared:\t", FormatSize(shared), "\n"));
    table.Write(StrCat("Private:\t", FormatSize(total - shared), "\n"));
  }
  table.Write(StrCat("Reclaimable:\t", FormatSize(reclaimable), "\nTotal:\t", FormatSize(total), "\n"));
}

std::string Text(const Records& records, bool verbose, bool summary) {
  TabWriter table;
  if (!verbose) WriteUsageHeader(table);
  for (const UsageRecord& record : records) verbose ? WriteUsageVerbose(table, record) : WriteUsageRow(table, record);
  std::string out = table.Flush();
  if (summary) WriteSummary(table, records);
  return out + table.Flush();
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::DiskUsageRequest request;
  for (const std::string& filter : values.Strings("filter")) request.add_filter(filter);
  moby::buildkit::v1::DiskUsageResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->DiskUsage(context.get(), request, &response));
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to call diskusage"));
  Records records(response.record().begin(), response.record().end());
  std::sort(records.begin(), records.end(), [](const UsageRecord& a, const UsageRecord& b) { return std::pair(a.size(), a.id()) < std::pair(b.size(), b.id()); });
  BK_TRY(auto format, ReadFormat(values));
  if (format) {
    std::vector<go_template::Value> items;
    for (const UsageRecord& record : records) items.push_back(UsageValue(record));
    return PrintValue(*format, go_template::Value::Slice("[]*client.UsageInfo", std::move(items), records.empty()));
  }
  Print(stdout, Text(records, values.Bool("verbose"), values.Strings("filter").empty()));
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeDiskUsage(const CancelToken& cancel) {
  flags::Command command{"du", {}, "disk usage"};
  command.flags = {
      {"filter", flags::Kind::kStrings, "Filter records", {"f"}},
      {"verbose", flags::Kind::kBool, "Verbose output", {"v"}},
      {"format", flags::Kind::kString, kFormatUsage},
  };
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
