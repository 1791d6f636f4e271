#include "base/units.h"
#include "client/cli/connect.h"
#include "client/cli/print_values.h"
#include "client/cli/text_format.h"
#include "client/cli/usage_print.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/status_codec.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::UsageRecord;

constexpr double kMegabyte = 1e6;

// Prints records as they come, by the template if there is one; columns are aligned within one record only.
class Printer {
 public:
  Printer(bool verbose, std::optional<go_template::Template> format) : verbose_(verbose), format_(std::move(format)) {}
  absl::Status Add(const UsageRecord& record) {
    total_ += record.size();
    if (format_) return PrintValue(*format_, UsageValue(record).target());
    if (verbose_) {
      WriteUsageVerbose(table_, record);
    } else {
      if (first_) WriteUsageHeader(table_);
      WriteUsageRow(table_, record);
    }
    first_ = false;
    Print(stdout, table_.Flush());
    return absl::OkStatus();
  }
  void Finish() {
    if (format_) return;
    table_.Write(StrCat("Total:\t", FormatSize(total_), "\n"));
    Print(stdout, table_.Flush());
  }

 private:
  const bool verbose_;
  const std::optional<go_template::Template> format_;
  bool first_ = true;
  int64_t total_ = 0;
  TabWriter table_;
};

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto format, ReadFormat(values));
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::PruneRequest request;
  for (const std::string& filter : values.Strings("filter")) request.add_filter(filter);
  request.set_all(values.Bool("all"));
  request.set_keepduration(values.DurationNs("keep-duration"));
  request.set_reservedspace(static_cast<int64_t>(values.Float("keep-storage-min") * kMegabyte));
  request.set_maxusedspace(static_cast<int64_t>(values.Float("keep-storage") * kMegabyte));
  request.set_minfreespace(static_cast<int64_t>(values.Float("free-storage") * kMegabyte));
  CallContext context(cancel);
  auto reader = moby::buildkit::v1::Control::NewStub(connection->channel())->Prune(context.get(), request);
  Printer printer(values.Bool("verbose"), std::move(format));
  UsageRecord record;
  absl::Status printed;
  while (printed.ok() && reader->Read(&record)) printed = printer.Add(record);
  if (!printed.ok()) context->TryCancel();
  absl::Status status = connection->FromCall(reader->Finish());
  BK_RETURN_IF_ERROR(printed);
  if (!status.ok()) return Error(status.code(), wire::RpcErrorText(status));
  printer.Finish();
  return absl::OkStatus();
}

}  // namespace

flags::Command MakePrune(const CancelToken& cancel) {
  using flags::Kind;
  flags::Command command{"prune", {}, "clean up build cache"};
  command.flags = {
      {"keep-duration", Kind::kDuration, "Keep data newer than this limit"},
      {"keep-storage", Kind::kFloat, "Keep data below this limit (in MB)"},
      {"keep-storage-min", Kind::kFloat, "Always allow data above this limit (in MB)"},
      {"free-storage", Kind::kFloat, "Keep free data below this limit (in MB)"},
      {"filter", Kind::kStrings, "Filter records", {"f"}},
      {"all", Kind::kBool, "Include internal/frontend references"},
      {"verbose", Kind::kBool, "Verbose output", {"v"}},
      {"format", Kind::kString, kFormatUsage},
  };
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
