// `buildctl explain`: why the steps of a build ran although there is a cache.
#include <ctime>

#include "base/go_json.h"
#include "client/cli/connect.h"
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

std::string TimeText(int64_t ns) {
  time_t seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string LowerCase(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

void WriteCause(GoJsonWriter& w, const v1::Cause& cause) {
  auto text = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    w.Key(key);
    w.String(value);
  };
  w.BeginObject();
  text("kind", LowerCase(v1::Cause::Kind_Name(cause.kind())));
  text("name", cause.name());
  text("before", cause.before());
  text("after", cause.after());
  if (!cause.files().empty()) {
    w.Key("files");
    w.BeginArray();
    for (const v1::FileChange& file : cause.files()) {
      w.BeginObject();
      text("kind", LowerCase(v1::FileChange::Kind_Name(file.kind())));
      text("path", file.path());
      w.EndObject();
    }
    w.EndArray();
  }
  if (cause.more_files() > 0) w.Key("moreFiles"), w.Int(cause.more_files());
  if (cause.time_ns() > 0) text("time", TimeText(cause.time_ns()));
  w.EndObject();
}

std::string JsonText(const v1::ExplainResponse& response) {
  GoJsonWriter w;
  auto text = [&](const char* key, const std::string& value) { w.Key(key), w.String(value); };
  w.BeginObject();
  text("ref", response.ref());
  text("startedAt", TimeText(response.started_ns()));
  text("completedAt", TimeText(response.completed_ns()));
  w.Key("steps");
  w.BeginArray();
  for (const v1::StepReason& step : response.steps()) {
    w.BeginObject();
    text("name", step.name());
    text("digest", step.digest());
    text("reason", step.sentence());
    w.Key("causes");
    w.BeginArray();
    for (const v1::Cause& cause : step.causes()) WriteCause(w, cause);
    w.EndArray();
    if (!step.compared_with().empty()) text("comparedWith", step.compared_with());
    if (step.failed()) w.Key("failed"), w.Bool(true);
    w.EndObject();
  }
  w.EndArray();
  w.Key("cachedSteps");
  w.Int(response.cached_steps());
  if (response.dropped_steps() > 0) w.Key("droppedSteps"), w.Int(response.dropped_steps());
  w.EndObject();
  return WithoutHtmlEscapes(w.text()) + "\n";
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
  BK_TRY(bool as_json, WantsJson(values));
  BK_TRY(auto connection, Connect(cancel, values));
  v1::ExplainRequest request;
  if (!values.args().empty()) request.set_ref(values.args()[0]);
  request.set_utc_offset_seconds(UtcOffset());
  v1::ExplainResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(v1::Explain::NewStub(connection->channel())->Explain(context.get(), request, &response));
  if (absl::IsUnimplemented(status)) return Unimplemented("the daemon at ", connection->address().text, " does not explain builds (it is not of this project, or older)");
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to explain"));
  Print(stdout, as_json ? JsonText(response) : PlainText(response));
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeExplain(const CancelToken& cancel) {
  flags::Command command{"explain", {}, "say why the steps of a build ran although there is a cache"};
  command.usage_text = "[REF]\n\n\tWithout REF the newest build is explained.";
  command.flags = {{"format", flags::Kind::kString, "Format the output using the given Go template, e.g, '{{json .}}'"}};
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
