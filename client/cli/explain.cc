// `buildctl explain`: why the steps of a build ran although there is a cache.
#include <ctime>

#include "client/cli/connect.h"
#include "client/cli/print_values.h"
#include "client/cli/text_format.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "explain/explain.grpc.pb.h"

namespace bk::client {
namespace {

namespace v1 = explain::v1;

int64_t UtcOffset() {
  time_t now = time(nullptr);
  tm parts{};
  localtime_r(&now, &parts);
  return parts.tm_gmtoff;
}

std::string PlainText(const v1::ExplainResponse& response) {
  std::string out;
  for (const v1::StepReason& step : response.steps()) out += StrCat(step.sentence(), step.failed() ? " (it failed)" : "", "\n");
  if (response.steps().empty()) out += "no step ran\n";
  if (response.cached_steps() > 0) out += StrCat(response.cached_steps(), response.cached_steps() == 1 ? " step" : " steps", " did not have to run\n");
  if (response.dropped_steps() > 0) out += StrCat(response.dropped_steps(), " more steps were too many to be kept\n");
  return out;
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().size() > 1) return InvalidArgument("explain takes one ref at most");
  BK_TRY(auto format, ReadFormat(values));
  BK_TRY(auto connection, Connect(cancel, values));
  v1::ExplainRequest request;
  if (!values.args().empty()) request.set_ref(values.args()[0]);
  request.set_utc_offset_seconds(UtcOffset());
  v1::ExplainResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(v1::Explain::NewStub(connection->channel())->Explain(context.get(), request, &response));
  if (absl::IsUnimplemented(status)) return Unimplemented("the daemon at ", connection->address().text, " does not explain builds (it is not of this project, or older)");
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to explain"));
  if (format) return PrintValue(*format, ExplanationValue(response));
  Print(stdout, PlainText(response));
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeExplain(const CancelToken& cancel) {
  flags::Command command{"explain", {}, "say why the steps of a build ran although there is a cache"};
  command.usage_text = "[REF]\n\n\tWithout REF the newest build is explained.";
  command.flags = {{"format", flags::Kind::kString, kFormatUsage}};
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
