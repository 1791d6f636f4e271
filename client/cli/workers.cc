#include "base/go_parse.h"
#include "base/platform.h"
#include "base/tab_writer.h"
#include "base/units.h"
#include "client/cli/connect.h"
#include "client/cli/print_values.h"
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

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(auto connection, Connect(cancel, values));
  moby::buildkit::v1::ListWorkersRequest request;
  for (const std::string& filter : values.Strings("filter")) request.add_filter(filter);
  moby::buildkit::v1::ListWorkersResponse response;
  CallContext context(cancel);
  absl::Status status = connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->ListWorkers(context.get(), request, &response));
  BK_RETURN_IF_ERROR(AnnotateCall(status, "failed to list workers"));
  BK_TRY(auto format, ReadFormat(values));
  if (format) {
    std::vector<go_template::Value> items;
    for (const WorkerRecord& worker : response.record()) items.push_back(WorkerValue(worker));
    return PrintValue(*format, go_template::Value::Slice("[]*client.WorkerInfo", std::move(items), response.record().empty()));
  }
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
  Print(stdout, table.Flush());
  return absl::OkStatus();
}

}  // namespace

flags::Command MakeWorkers(const CancelToken& cancel) {
  flags::Command command{"workers", {}, "list workers"};
  command.flags = {
      {"filter", flags::Kind::kStrings, "containerd-style filter string slice", {"f"}},
      {"verbose", flags::Kind::kBool, "Verbose output", {"v"}},
      {"format", flags::Kind::kString, kFormatUsage},
  };
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
