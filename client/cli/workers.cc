#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/platform.h"
#include "base/tab_writer.h"
#include "base/units.h"
#include "client/cli/connect.h"
#include "client/cli/text_format.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::types::CDIDevice;
using moby::buildkit::v1::types::GCPolicy;
using moby::buildkit::v1::types::WorkerRecord;
using Map = google::protobuf::Map<std::string, std::string>;

std::map<std::string, std::string> Sorted(const Map& map) { return {map.begin(), map.end()}; }

std::string Platforms(const WorkerRecord& worker) {
  std::string out;
  for (const pb::Platform& p : worker.platforms()) {
    Platform platform{p.os(), p.architecture(), p.variant(), p.osversion(), {p.osfeatures().begin(), p.osfeatures().end()}};
    out += (out.empty() ? "" : ",") + FormatPlatform(NormalizePlatform(platform));
  }
  return out;
}

void WriteDevices(TabWriter& table, const WorkerRecord& worker) {
  if (worker.cdidevices().empty()) return;
  table.Write("Devices:\n");
  for (const CDIDevice& device : worker.cdidevices()) {
    table.Write(StrCat("\tName:\t", device.name(), "\n"));
    table.Write(device.ondemand() ? std::string("\tOnDemand:\ttrue\n") : StrCat("\tAutoAllow:\t", device.autoallow(), "\n"));
    for (const auto& [key, value] : Sorted(device.annotations())) table.Write(StrCat("\tAnnotations:\t", key, ":\t", value, "\n"));
  }
  table.Write("\n");
}

void WritePolicy(TabWriter& table, const GCPolicy& policy, int number) {
  table.Write(StrCat("GC Policy rule#", number, ":\n\tAll:\t", policy.all(), "\n"));
  std::string filters;
  for (const std::string& filter : policy.filters()) filters += (filters.empty() ? "" : " ") + filter;
  if (policy.filters_size() > 0) table.Write(StrCat("\tFilters:\t", filters, "\n"));
  if (policy.keepduration() > 0) table.Write(StrCat("\tKeep duration:\t", FormatDuration(policy.keepduration()), "\n"));
  auto space = [&](const char* name, int64_t bytes) {
    if (bytes > 0) table.Write(StrCat("\t", name, ":\t", FormatSize(bytes, SizeUnits::kDecimal, kExact), "\n"));
  };
  space("Reserved space", policy.reservedspace());
  space("Minimum free space", policy.minfreespace());
  space("Maximum used space", policy.maxusedspace());
}

void WriteVerbose(TabWriter& table, const WorkerRecord& worker) {
  const auto& version = worker.buildkitversion();
  table.Write(StrCat("ID:\t", worker.id(), "\nPlatforms:\t", Platforms(worker), "\n"));
  table.Write(StrCat("BuildKit:\t", version.package(), " ", version.version(), " ", version.revision(), "\n"));
  if (!version.dockerfileversion().empty()) table.Write(StrCat("Dockerfile:\t", version.dockerfileversion(), "\n"));
  table.Write("Labels:\n");
  for (const auto& [key, value] : Sorted(worker.labels())) table.Write(StrCat("\t", key, ":\t", value, "\n"));
  WriteDevices(table, worker);
  for (int i = 0; i < worker.gcpolicy_size(); i++) WritePolicy(table, worker.gcpolicy(i), i);
  table.Write("\n");
}

// One object of JSON, field by field; empty lists are [] or null as the reference has them.
class Json : public GoJsonWriter {
 public:
  void Text(const char* key, const std::string& value) { Key(key), String(value); }
  void Number(const char* key, int64_t value) { Key(key), Int(value); }
  void Truth(const char* key, bool value) { Key(key), Bool(value); }
  void TextMap(const char* key, const Map& map) {
    Key(key);
    if (map.empty()) return Null();
    BeginObject();
    for (const auto& [name, value] : Sorted(map)) Text(name.c_str(), value);
    EndObject();
  }
};

void WriteJson(Json& w, const pb::Platform& p) {
  w.BeginObject();
  w.Text("architecture", p.architecture());
  w.Text("os", p.os());
  if (!p.osversion().empty()) w.Text("os.version", p.osversion());
  if (!p.variant().empty()) w.Text("variant", p.variant());
  w.EndObject();
}

void WriteJson(Json& w, const GCPolicy& policy) {
  w.BeginObject();
  w.Truth("all", policy.all());
  w.Key("filter");
  if (policy.filters().empty()) {
    w.Null();
  } else {
    w.BeginArray();
    for (const std::string& filter : policy.filters()) w.String(filter);
    w.EndArray();
  }
  w.Number("keepDuration", policy.keepduration());
  w.Number("reservedSpace", policy.reservedspace());
  w.Number("maxUsedSpace", policy.maxusedspace());
  w.Number("minFreeSpace", policy.minfreespace());
  w.EndObject();
}

void WriteJson(Json& w, const CDIDevice& device) {
  w.BeginObject();
  w.Text("name", device.name());
  w.Truth("autoAllow", device.autoallow());
  w.TextMap("annotations", device.annotations());
  w.Truth("onDemand", device.ondemand());
  w.EndObject();
}

void WriteJson(Json& w, const WorkerRecord& worker) {
  auto list = [&](const char* key, const auto& items) {
    w.Key(key);
    w.BeginArray();
    for (const auto& item : items) WriteJson(w, item);
    w.EndArray();
  };
  w.BeginObject();
  w.Text("id", worker.id());
  w.TextMap("labels", worker.labels());
  list("platforms", worker.platforms());
  list("gcPolicy", worker.gcpolicy());
  const auto& version = worker.buildkitversion();
  w.Key("buildkitVersion");
  w.BeginObject();
  w.Text("package", version.package());
  w.Text("version", version.version());
  w.Text("revision", version.revision());
  if (!version.dockerfileversion().empty()) w.Text("dockerfileVersion", version.dockerfileversion());
  w.EndObject();
  if (worker.cdidevices().empty()) {
    w.Key("cdiDevices");
    w.Null();
  } else {
    list("cdiDevices", worker.cdidevices());
  }
  w.EndObject();
}

std::string JsonText(const moby::buildkit::v1::ListWorkersResponse& response) {
  if (response.record().empty()) return "null\n";
  Json w;
  w.BeginArray();
  for (const WorkerRecord& worker : response.record()) WriteJson(w, worker);
  w.EndArray();
  return WithoutHtmlEscapes(w.text()) + "\n";
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::ListWorkersRequest request;
  for (const std::string& filter : values.Strings("filter")) request.add_filter(filter);
  moby::buildkit::v1::ListWorkersResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->ListWorkers(context.get(), request, &response));
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to list workers"));
  BK_TRY(bool as_json, WantsJson(values));
  TabWriter table;
  bool verbose = values.Bool("verbose");
  if (!verbose) table.Write("ID\tPLATFORMS\n");
  for (const WorkerRecord& worker : response.record()) {
    if (verbose) {
      WriteVerbose(table, worker);
    } else {
      table.Write(StrCat(worker.id(), "\t", Platforms(worker), "\n"));
    }
  }
  Print(stdout, as_json ? JsonText(response) : table.Flush());
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeWorkers(const CancelToken& cancel) {
  flags::Command command{"workers", {}, "list workers"};
  command.flags = {
      {"filter", flags::Kind::kStrings, "containerd-style filter string slice", {"f"}},
      {"verbose", flags::Kind::kBool, "Verbose output", {"v"}},
      {"format", flags::Kind::kString, "Format the output using the given Go template, e.g, '{{json .}}'"},
  };
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
