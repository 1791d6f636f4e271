#include "base/tab_writer.h"
#include "client/cli/connect.h"
#include "client/cli/print_values.h"
#include "client/cli/text_format.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::InfoResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->Info(context.get(), {}, &response));
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to call info"));
  BK_TRY(auto format, ReadFormat(values));
  if (format) return PrintValue(*format, InfoValue(response));
  const auto& version = response.buildkitversion();
  TabWriter table({0, 0, 1, ' '});
  table.Write(StrCat("BuildKit:\t", version.package(), " ", version.version(), " ", version.revision(), "\n"));
  if (!version.dockerfileversion().empty()) table.Write(StrCat("Dockerfile:\t", version.dockerfileversion(), "\n"));
  Print(stdout, table.Flush());
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeInfo(const CancelToken& cancel) {
  flags::Command command{"info", {}, "display internal information"};
  command.flags = {{"format", flags::Kind::kString, kFormatUsage}};
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
