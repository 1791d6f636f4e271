// text/errors: errors with their wrappers, sent through the codec and back: code, message, details in order.
#include <cerrno>

#include "base/digest.h"
#include "base/suggest.h"
#include "client/cli/error_report.h"
#include "client/conn/connection.h"
#include "proto/wire/status_codec.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {


// JSON of a detail as Go writes it: zero values left out.
Json Position(int line, int character) {
  Json out = Json::object();
  if (line != 0) out["line"] = line;
  if (character != 0) out["character"] = character;
  return out;
}

Json SourceDetail(const Json& args) {
  Json out = Json::object();
  if (args.contains("filename") || args.contains("data")) {
    Json& info = out["info"] = Json::object();
    if (!args.value("data", "").empty()) info["data"] = Base64Encode(args["data"].get<std::string>());
    if (!args.value("filename", "").empty()) info["filename"] = args["filename"];
  }
  Json ranges = args.value("ranges", Json::array());
  for (const Json& r : ranges) out["ranges"].push_back({{"start", Position(r[0], r[1])}, {"end", Position(r[2], r[3])}});
  return out;
}

Json Index(const Json& args, const char* key) {
  int64_t index = args[key];
  return index == 0 ? Json::object() : Json{{"index", std::to_string(index)}};
}

Json SolveDetail(const Json& args) {
  Json out = Json::object();
  if (args.contains("description")) out["description"] = args["description"];
  if (args.contains("input_ids")) out["inputIDs"] = args["input_ids"];
  if (args.contains("mount_ids")) out["mountIDs"] = args["mount_ids"];
  if (args.contains("file_index")) out["file"] = Index(args, "file_index");
  if (args.contains("cache_index")) out["cache"] = Index(args, "cache_index");
  if (args.contains("exec_args")) {
    Json meta = {{"args", args["exec_args"]}, {"cwd", "/"}};
    out["op"] = {{"inputs", Json::array({{{"digest", DigestOf("").str()}}})}, {"exec", {{"meta", meta}, {"mounts", Json::array({{{"dest", "/"}}})}}}};
  }
  return out;
}

Json DenyDetail(const Json& args) {
  Json messages = Json::array();
  for (const Json& message : args["messages"]) messages.push_back(message == "" ? Json::object() : Json{{"message", message}});
  return {{"action", "DENY"}, {"denyMessages", messages}};
}

absl::StatusCode ErrnoCode(int error) {
  return error == EIO ? absl::StatusCode::kInternal : error == ENOSPC ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnknown;
}

absl::Status Detailed(absl::Status status, const char* type, const Json& json) {
  AddDetail(status, {type, json.dump()});
  return status;
}

// `own`, followed by what is inside.
std::string Around(const std::string& own, const absl::Status& inner) { return inner.ok() ? own : StrCat(own, ": ", Message(inner)); }

absl::Status WithMessage(const absl::Status& inner, const std::string& message) {
  absl::Status out = Error(inner.ok() ? absl::StatusCode::kUnknown : inner.code(), message);
  for (const ErrorDetail& detail : Details(inner)) AddDetail(out, detail);
  return out;
}

absl::Status WithCode(const absl::Status& inner, absl::StatusCode code) {
  absl::Status out = Error(code, Message(inner));
  for (const ErrorDetail& detail : Details(inner)) AddDetail(out, detail);
  return out;
}

// One link of the chain around `inner` (OK: it is the innermost).
absl::Status Wrap(const Json& link, const absl::Status& inner) {
  std::string kind = link["kind"];
  Json args = link.contains("args") && link["args"].is_object() ? link["args"] : Json::object();
  if (kind == "wrap") return Annotate(inner, args["message"].get<std::string>());
  if (kind == "plain") return Unknown(args["message"].get<std::string>());
  if (kind == "code") return WithCode(inner, static_cast<absl::StatusCode>(args["code"].get<int>()));
  if (kind == "internal") return WithCode(inner, absl::StatusCode::kInternal);
  if (kind == "canceled") return bk::Cancelled("context canceled");
  if (kind == "deadline") return DeadlineExceeded("context deadline exceeded");
  if (kind == "errno") return Error(ErrnoCode(args["errno"]), ErrnoText(args["errno"]));
  if (kind == "unknown_job") return NotFound("no such job ", args["id"].get<std::string>());
  if (kind == "status") {
    absl::Status status = Error(static_cast<absl::StatusCode>(args["code"].get<int>()), args["message"].get<std::string>());
    return Error(status.code(), bk::wire::RpcErrorText(status));
  }
  if (kind == "join") {
    std::string message;
    for (const Json& line : args["messages"]) message += line.get<std::string>() + "\n";
    return WithMessage(inner, message + Message(inner));
  }
  if (kind == "exit") {
    int code = args["exit_code"];
    absl::Status status = inner.ok() ? Unknown("exit code: ", code) : inner;
    return Detailed(status, "gatewayapi.ExitMessage", code == 0 ? Json::object() : Json{{"Code", code}});
  }
  if (kind == "frontend") return Detailed(inner, "errdefs.Frontend", args);
  if (kind == "vertex") return Detailed(inner, "errdefs.Vertex", args);
  if (kind == "source") return Detailed(inner, "errdefs.Source", SourceDetail(args));
  if (kind == "solve") return Detailed(inner, "errdefs.Solve", SolveDetail(args));
  if (kind == "deny") return Detailed(inner, "policysession.DecisionResponse", DenyDetail(args));
  if (kind == "provenance") return Detailed(Unknown("provenance materials are incomplete"), "errdefs.ProvenanceMaterialsIncomplete", {{"incomplete", Json::array({args})}});
  std::string name = args.value("name", "");
  if (kind == "frontendcap") return Detailed(WithMessage(inner, Around("unsupported frontend capability " + name, inner)), "errdefs.FrontendCap", args);
  if (kind == "subrequest") return Detailed(WithMessage(inner, Around("unsupported request " + name, inner)), "errdefs.Subrequest", args);
  if (kind == "compat") {
    std::string own = StrCat("unsupported compatibility-version ", args["version"].get<int>(), " feature ", args["feature"].get<std::string>());
    return Detailed(WithMessage(inner, Around(own, inner)), "errdefs.CompatibilityFeature", args);
  }
  return Unimplemented("the test knows no link ", kind);
}

}  // namespace

absl::Status RunErrors(const Json& c, const std::string&) {
  const Json &chain = c["input"]["chain"], &expect = c["expect"];
  absl::Status status;
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) status = Wrap(*link, status);
  BK_RETURN_IF_ERROR(ExpectText("local_text", Message(status), expect["local_text"].get<std::string>()));
  grpc::Status sent = bk::wire::ToGrpc(status);
  BK_RETURN_IF_ERROR(ExpectText("grpc_message", sent.error_message(), expect["grpc_message"].get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectJson("grpc_code", static_cast<int>(sent.error_code()), expect["grpc_code"]));
  absl::Status received = bk::wire::FromGrpc(sent);
  BK_RETURN_IF_ERROR(ExpectText("code name", bk::wire::CodeName(received.code()), expect["grpc_code_name"].get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectText("received message", Message(received), expect["grpc_message"].get<std::string>()));
  if (Details(received) != Details(status)) return Internal("details were changed on the way");
  // As they stand on the wire: outermost first.
  Json details = Json::array();
  google::rpc::Status wire;
  if (!sent.error_details().empty() && !wire.ParseFromString(sent.error_details())) return Internal("details cannot be decoded");
  for (const auto& any : wire.details()) details.push_back({{"type_url", any.type_url()}, {"json", Json::parse(any.value())}});
  BK_RETURN_IF_ERROR(ExpectJson("details", details, expect["details"]));
  std::string shown = client::ErrorReport(WithMessage(received, client::ErrorText(received)));
  return ExpectText("buildctl", shown, expect["buildctl_stderr"].get<std::string>());
}

}  // namespace bk::golden::text
