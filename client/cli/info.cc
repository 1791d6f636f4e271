#include "base/go_json.h"
#include "base/tab_writer.h"
#include "client/cli/connect.h"
#include "client/cli/text_format.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::types::BuildkitVersion;

std::string JsonText(const BuildkitVersion& version) {
  GoJsonWriter w;
  auto text = [&](const char* key, const std::string& value) { w.Key(key), w.String(value); };
  w.BeginObject();
  w.Key("buildkitVersion");
  w.BeginObject();
  text("package", version.package());
  text("version", version.version());
  text("revision", version.revision());
  if (!version.dockerfileversion().empty()) text("dockerfileVersion", version.dockerfileversion());
  w.EndObject();
  w.EndObject();
  return WithoutHtmlEscapes(w.text()) + "\n";
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::InfoResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->Info(context.get(), {}, &response));
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to call info"));
  BK_TRY(bool as_json, WantsJson(values));
  const BuildkitVersion& version = response.buildkitversion();
  TabWriter table({0, 0, 1, ' '});
  table.Write(StrCat("BuildKit:\t", version.package(), " ", version.version(), " ", version.revision(), "\n"));
  if (!version.dockerfileversion().empty()) table.Write(StrCat("Dockerfile:\t", version.dockerfileversion(), "\n"));
  Print(stdout, as_json ? JsonText(version) : table.Flush());
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeInfo(const CancelToken& cancel) {
  flags::Command command{"info", {}, "display internal information"};
  command.flags = {{"format", flags::Kind::kString, "Format the output using the given Go template, e.g, '{{json .}}'"}};
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
