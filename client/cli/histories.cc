// The verbs about records of builds: debug histories, debug ctl, debug monitor, prune-histories.
#include "client/cli/connect.h"
#include "client/cli/history_print.h"
#include "client/cli/history_stream.h"
#include "client/cli/message_value.h"
#include "client/cli/text_format.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1;

absl::Status Update(const CancelToken& cancel, const Connection& connection, const api::UpdateBuildHistoryRequest& request) {
  CallContext context(cancel);
  api::UpdateBuildHistoryResponse response;
  return connection.FromCall(api::Control::NewStub(connection.channel())->UpdateBuildHistory(context.get(), request, &response));
}

// Prints events as they come, as a table or by a template.
class EventPrinter {
 public:
  EventPrinter(std::optional<go_template::Template> format, bool pinned) : format_(std::move(format)), pinned_(pinned) {
    if (!format_) WriteHistoryHeader(table_, pinned_);
  }
  absl::Status Add(const api::BuildHistoryEvent& event) {
    if (format_) return PrintValue(*format_, MessageValue(event));
    WriteHistoryRow(table_, event, pinned_);
    Print(stdout, table_.Flush());
    return absl::OkStatus();
  }
  void Finish() { Print(stdout, table_.Flush()); }

 private:
  const std::optional<go_template::Template> format_;
  const bool pinned_;
  TabWriter table_;
};

absl::Status RunHistories(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  BK_TRY(auto format, ReadFormat(values));
  api::BuildHistoryRequest request;
  request.set_earlyexit(true);
  EventPrinter printer(std::move(format), true);
  BK_RETURN_IF_ERROR(ListenHistory(cancel, *connection, request, [&](const api::BuildHistoryEvent& event) -> absl::StatusOr<bool> {
    BK_RETURN_IF_ERROR(printer.Add(event));
    return true;
  }));
  printer.Finish();
  return absl::OkStatus();
}

absl::Status RunPrune(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  BK_TRY(auto format, ReadFormat(values));
  api::BuildHistoryRequest request;
  request.set_earlyexit(true);
  EventPrinter printer(std::move(format), false);
  std::string errors;
  BK_RETURN_IF_ERROR(ListenHistory(cancel, *connection, request, [&](const api::BuildHistoryEvent& event) -> absl::StatusOr<bool> {
    if (!event.has_record() || event.record().pinned()) return true;
    api::UpdateBuildHistoryRequest deletion;
    deletion.set_ref(event.record().ref());
    deletion.set_delete_(true);
    absl::Status status = Update(cancel, *connection, deletion);
    if (cancel.cancelled()) return status;
    if (!status.ok()) errors += (errors.empty() ? "" : "\n") + ErrorText(status);
    if (status.ok()) BK_RETURN_IF_ERROR(printer.Add(event));
    return true;
  }));
  printer.Finish();
  return errors.empty() ? absl::OkStatus() : Unknown(errors);
}

absl::Status RunMonitor(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  api::BuildHistoryRequest request;
  request.set_activeonly(!values.Bool("completed"));
  request.set_ref(values.String("ref"));
  BK_RETURN_IF_ERROR(ListenHistory(cancel, *connection, request, [](const api::BuildHistoryEvent& event) {
    Print(stdout, HistoryLines(event));
    std::fflush(stdout);
    return true;
  }));
  return Unknown("EOF");  // the daemon has nothing more to tell, ever
}

absl::Status RunControl(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().empty()) return InvalidArgument("build ref must be specified");
  BK_TRY(auto connection, Connect(cancel, values));
  bool pin = values.Bool("pin"), unpin = values.Bool("unpin"), remove = values.Bool("delete");
  if (!pin && !unpin && !remove) return InvalidArgument("must specify one of --pin, --unpin, --delete");
  if (pin && unpin) return InvalidArgument("cannot specify both --pin and --unpin");
  if (remove && (pin || unpin)) return InvalidArgument("cannot specify --delete with --pin or --unpin");
  api::UpdateBuildHistoryRequest request;
  request.set_ref(values.args()[0]);
  request.set_pinned(pin);
  request.set_delete_(remove);
  absl::Status status = Update(cancel, *connection, request);
  return status.ok() ? status : Unknown(ErrorText(status));
}

flags::Command Verb(const CancelToken& cancel, flags::Command command, absl::Status (*run)(const CancelToken&, const flags::Values&)) {
  command.action = [cancel, run](const flags::Values& values) { return run(cancel, values); };
  return command;
}

}  // namespace

flags::Command MakeHistories(const CancelToken& cancel) {
  flags::Command command{"histories", {}, "list build records"};
  command.flags = {{"format", flags::Kind::kString, kFormatUsage}};
  return Verb(cancel, std::move(command), &RunHistories);
}

flags::Command MakePruneHistories(const CancelToken& cancel) {
  flags::Command command{"prune-histories", {}, "clean up build histories"};
  command.flags = {{"format", flags::Kind::kString, kFormatUsage}};
  return Verb(cancel, std::move(command), &RunPrune);
}

flags::Command MakeMonitor(const CancelToken& cancel) {
  flags::Command command{"monitor", {}, "display build events"};
  command.flags = {{"completed", flags::Kind::kBool, "show completed builds"}, {"ref", flags::Kind::kString, "show events for a specific build"}};
  return Verb(cancel, std::move(command), &RunMonitor);
}

flags::Command MakeHistoryControl(const CancelToken& cancel) {
  flags::Command command{"ctl", {}, "control build records"};
  command.flags = {{"pin", flags::Kind::kBool, "Pin build so it will not be garbage collected"},
                   {"unpin", flags::Kind::kBool, "Unpin build so it will be garbage collected"},
                   {"delete", flags::Kind::kBool, "Delete build record"}};
  return Verb(cancel, std::move(command), &RunControl);
}

}  // namespace bk::client
