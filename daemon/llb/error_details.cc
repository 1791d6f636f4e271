#include "daemon/llb/error_details.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/go_json.h"
#include "daemon/llb/load/vertex_load.h"

namespace bk::llb {
namespace {

// Details travel in trailers; clients do not take endless ones.
constexpr size_t kMaxSourceDetail = 512 << 10;

ErrorDetail SourceDetail(const pb::SourceInfo& info, const pb::Location& location) {
  GoJsonWriter out;
  out.BeginObject();
  out.Key("info");
  std::string text = GoJsonOf(info);
  if (text.size() > kMaxSourceDetail) {
    pb::SourceInfo brief = info;
    brief.clear_definition();
    text = GoJsonOf(brief);
  }
  out.Raw(text.size() > kMaxSourceDetail ? "{}" : text);
  if (!location.ranges().empty()) {
    out.Key("ranges");
    out.BeginArray();
    for (const pb::Range& range : location.ranges()) out.Raw(GoJsonOf(range));
    out.EndArray();
  }
  out.EndObject();
  return {"errdefs.Source", out.Take()};
}

void WriteIds(GoJsonWriter& out, const char* key, const std::vector<std::string>& ids) {
  if (ids.empty()) return;
  out.Key(key);
  out.BeginArray();
  for (const std::string& id : ids) out.String(id);
  out.EndArray();
}

void WriteSubject(GoJsonWriter& out, const ops::FailedSubject& subject) {
  using Kind = ops::FailedSubject::Kind;
  if (subject.kind == Kind::kStep) return;
  out.Key(subject.kind == Kind::kFileAction ? "file" : "cache");
  out.BeginObject();
  if (subject.index != 0) {
    out.Key("index");
    out.String(StrCat(subject.index));  // as protobuf's JSON has 64-bit numbers
  }
  out.EndObject();
}

std::string SolveJson(const LoadedOp& loaded, const SolveIds& ids) {
  std::string op;
  if (!google::protobuf::util::MessageToJsonString(*loaded.op, &op).ok() || op.size() > kMaxSourceDetail) op.clear();
  GoJsonWriter out;
  out.BeginObject();
  WriteIds(out, "inputIDs", ids.inputs);
  WriteIds(out, "mountIDs", ids.mounts);
  if (!op.empty()) {
    out.Key("op");
    out.Raw(op);
  }
  WriteSubject(out, ids.subject);
  std::map<std::string, std::string> description(loaded.metadata.description().begin(), loaded.metadata.description().end());
  if (!description.empty()) {
    out.Key("description");
    out.BeginObject();
    for (const auto& [key, value] : description) {
      out.Key(key);
      out.String(value);
    }
    out.EndObject();
  }
  out.EndObject();
  return out.Take();
}

}  // namespace

std::string FailedVertex(const absl::Status& status) {
  for (const ErrorDetail& detail : Details(status)) {
    if (detail.type != "errdefs.Vertex") continue;
    auto json = nlohmann::json::parse(detail.json, nullptr, false);
    if (json.is_object() && json.contains("digest") && json["digest"].is_string()) return json["digest"].get<std::string>();
  }
  return "";
}

absl::Status WithSources(absl::Status status, const pb::Definition& definition, const LoadedDefinition& loaded) {
  std::string vertex = status.ok() || !definition.has_source() ? "" : FailedVertex(status);
  if (vertex.empty()) return status;
  const auto& locations = definition.source().locations();
  auto found = locations.find(vertex);
  // Locations are kept by the client's digest of the raw bytes, which may differ from the vertex's.
  auto op = loaded.ops.find(vertex);
  if (found == locations.end() && op != loaded.ops.end()) found = locations.find(op->second.raw.str());
  if (found == locations.end()) return status;
  for (const pb::Location& location : found->second.locations()) {
    int index = location.sourceindex();
    if (index < 0 || index >= definition.source().infos_size()) continue;
    AddDetail(status, SourceDetail(definition.source().infos(index), location));
  }
  return status;
}

absl::Status WithSolve(absl::Status status, const LoadedDefinition* loaded, const SolveIds& ids) {
  if (status.ok()) return status;
  std::string json = "{}";
  for (const ErrorDetail& detail : Details(status)) {
    if (detail.type == "errdefs.Solve") json = detail.json;  // of a call within this one
  }
  if (json == "{}" && loaded != nullptr) {
    auto op = loaded->ops.find(FailedVertex(status));
    if (op != loaded->ops.end()) json = SolveJson(op->second, ids);
  }
  AddDetail(status, {"errdefs.Solve", json});
  return status;
}

absl::Status WithFrontend(absl::Status status, const std::string& name, const std::string& source) {
  GoJsonWriter out;
  out.BeginObject();
  out.Key("name");
  out.String(name);
  if (!source.empty()) {
    out.Key("source");
    out.String(source);
  }
  out.EndObject();
  AddDetail(status, {"errdefs.Frontend", out.Take()});
  return status;
}

absl::Status ForClients(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented: return status;
    default: break;
  }
  std::string text = Message(status);
  bool from_wire = text.find("rpc error: code = ") != std::string::npos;
  bool declined = status.code() == absl::StatusCode::kAlreadyExists;  // a client that wants no tar (trap 21)
  if (from_wire || declined) return status;
  absl::Status out = text.ends_with("context deadline exceeded") ? DeadlineExceeded(text) : Unknown(text);
  for (ErrorDetail& detail : Details(status)) AddDetail(out, std::move(detail));
  return out;
}

}  // namespace bk::llb
