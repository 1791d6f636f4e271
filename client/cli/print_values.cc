#include "client/cli/print_values.h"

#include "base/go_template/time_value.h"
#include "base/time_text.h"
#include "base/unicode.h"

namespace bk::client {
namespace {

using go_template::Field;
using go_template::Kind;
using go_template::MakeField;
using go_template::MakeType;
using go_template::Type;
using go_template::Value;
using google::protobuf::Timestamp;
using moby::buildkit::v1::types::BuildkitVersion;
using moby::buildkit::v1::types::CDIDevice;
using moby::buildkit::v1::types::GCPolicy;

Field Text(const char* name, const char* json, const std::string& text, bool omit_empty = false) { return MakeField(name, json, Value::String(text), omit_empty); }
Field Truth(const char* name, const char* json, bool truth, bool omit_empty = false) { return MakeField(name, json, Value::Bool(truth), omit_empty); }
Field Whole(const char* name, const char* json, int64_t number, bool omit_empty = false) {
  static const auto type = MakeType("int64", Kind::kInt);
  return MakeField(name, json, Value::IntOf(type, number), omit_empty);
}

Value TextMap(const google::protobuf::Map<std::string, std::string>& map) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : map) entries.emplace_back(Value::String(key), Value::String(value));
  bool nil = entries.empty();
  return Value::Map("map[string]string", std::move(entries), Value::String(""), nil);
}

template <typename Messages>
Value List(const char* type, const Messages& messages, Value (*value)(const typename Messages::value_type&), bool nil_if_empty) {
  std::vector<Value> items;
  for (const auto& message : messages) items.push_back(value(message));
  bool nil = nil_if_empty && items.empty();
  return Value::Slice(type, std::move(items), nil);
}

Value VersionValue(const BuildkitVersion& version) {
  static const auto type = MakeType("client.BuildkitVersion", Kind::kStruct);
  return Value::Struct(type, {Text("Package", "package", version.package()), Text("Version", "version", version.version()), Text("Revision", "revision", version.revision()),
                              Text("DockerfileVersion", "dockerfileVersion", version.dockerfileversion(), true)});
}

Value PlatformValue(const pb::Platform& platform) {
  static const auto type = MakeType("v1.Platform", Kind::kStruct);
  return Value::Struct(type, {Text("Architecture", "architecture", platform.architecture()), Text("OS", "os", platform.os()),
                              Text("OSVersion", "os.version", platform.osversion(), true),
                              MakeField("OSFeatures", "os.features", Value::Strings({platform.osfeatures().begin(), platform.osfeatures().end()}), true),
                              Text("Variant", "variant", platform.variant(), true)});
}

Value PolicyValue(const GCPolicy& policy) {
  static const auto type = MakeType("client.PruneInfo", Kind::kStruct);
  return Value::Struct(type, {Truth("All", "all", policy.all()), MakeField("Filter", "filter", Value::Strings({policy.filters().begin(), policy.filters().end()})),
                              MakeField("KeepDuration", "keepDuration", go_template::DurationValue(policy.keepduration())), Whole("ReservedSpace", "reservedSpace", policy.reservedspace()),
                              Whole("MaxUsedSpace", "maxUsedSpace", policy.maxusedspace()), Whole("MinFreeSpace", "minFreeSpace", policy.minfreespace())});
}

Value DeviceValue(const CDIDevice& device) {
  static const auto type = MakeType("client.CDIDevice", Kind::kStruct);
  return Value::Struct(type, {Text("Name", "name", device.name()), Truth("AutoAllow", "autoAllow", device.autoallow()),
                              MakeField("Annotations", "annotations", TextMap(device.annotations())), Truth("OnDemand", "onDemand", device.ondemand())});
}

Value FileValue(const explain::v1::FileChange& file) {
  static const auto type = MakeType("explain.FileChange", Kind::kStruct);
  return Value::Struct(type, {Text("Kind", "kind", ToLower(explain::v1::FileChange::Kind_Name(file.kind())), true), Text("Path", "path", file.path(), true)});
}

std::string WholeSeconds(int64_t ns) { return Rfc3339OfNs(ns, Decimals::kNone); }

Value CauseValue(const explain::v1::Cause& cause) {
  static const auto type = MakeType("explain.Cause", Kind::kStruct);
  return Value::Struct(type, {Text("Kind", "kind", ToLower(explain::v1::Cause::Kind_Name(cause.kind())), true), Text("Name", "name", cause.name(), true),
                              Text("Before", "before", cause.before(), true), Text("After", "after", cause.after(), true),
                              MakeField("Files", "files", List("[]explain.FileChange", cause.files(), &FileValue, true), true),
                              Whole("MoreFiles", "moreFiles", cause.more_files(), true), Text("Time", "time", cause.time_ns() > 0 ? WholeSeconds(cause.time_ns()) : "", true)});
}

Value StepValue(const explain::v1::StepReason& step) {
  static const auto type = MakeType("explain.Step", Kind::kStruct);
  return Value::Struct(type, {Text("Name", "name", step.name()), Text("Digest", "digest", step.digest()), Text("Reason", "reason", step.sentence()),
                              MakeField("Causes", "causes", List("[]explain.Cause", step.causes(), &CauseValue, false)),
                              Text("ComparedWith", "comparedWith", step.compared_with(), true), Truth("Failed", "failed", step.failed(), true)});
}

}  // namespace

Value UsageValue(const moby::buildkit::v1::UsageRecord& record) {
  static const auto type = MakeType("client.UsageInfo", Kind::kStruct), record_type = MakeType("client.UsageRecordType", Kind::kString);
  const Timestamp &created = record.createdat(), &used = record.lastusedat();
  return Value::Pointer(Value::Struct(
      type, {Text("ID", "id", record.id()), Truth("Mutable", "mutable", record.mutable_()), Truth("InUse", "inUse", record.inuse()), Whole("Size", "size", record.size()),
             MakeField("CreatedAt", "createdAt", go_template::TimeValue(created.seconds(), created.nanos())),
             MakeField("LastUsedAt", "lastUsedAt", go_template::TimePointer(record.has_lastusedat(), used.seconds(), used.nanos())),
             MakeField("UsageCount", "usageCount", Value::Int(record.usagecount())),
             MakeField("Parents", "parents", Value::Strings({record.parents().begin(), record.parents().end()})),
             Text("Description", "description", record.description()), MakeField("RecordType", "recordType", Value::StringOf(record_type, record.recordtype())),
             Truth("Shared", "shared", record.shared())}));
}

Value WorkerValue(const moby::buildkit::v1::types::WorkerRecord& worker) {
  static const auto type = MakeType("client.WorkerInfo", Kind::kStruct);
  return Value::Pointer(Value::Struct(type, {Text("ID", "id", worker.id()), MakeField("Labels", "labels", TextMap(worker.labels())),
                                             MakeField("Platforms", "platforms", List("[]v1.Platform", worker.platforms(), &PlatformValue, false)),
                                             MakeField("GCPolicy", "gcPolicy", List("[]client.PruneInfo", worker.gcpolicy(), &PolicyValue, false)),
                                             MakeField("BuildkitVersion", "buildkitVersion", VersionValue(worker.buildkitversion())),
                                             MakeField("CDIDevices", "cdiDevices", List("[]client.CDIDevice", worker.cdidevices(), &DeviceValue, true))}));
}

Value InfoValue(const moby::buildkit::v1::InfoResponse& info) {
  static const auto type = MakeType("client.Info", Kind::kStruct);
  return Value::Pointer(Value::Struct(type, {MakeField("BuildkitVersion", "buildkitVersion", VersionValue(info.buildkitversion()))}));
}

Value ExplanationValue(const explain::v1::ExplainResponse& response) {
  static const auto type = MakeType("explain.Explanation", Kind::kStruct);
  return Value::Pointer(Value::Struct(
      type, {Text("Ref", "ref", response.ref()), Text("StartedAt", "startedAt", WholeSeconds(response.started_ns())), Text("CompletedAt", "completedAt", WholeSeconds(response.completed_ns())),
             MakeField("Steps", "steps", List("[]explain.Step", response.steps(), &StepValue, false)), Whole("CachedSteps", "cachedSteps", response.cached_steps()),
             Whole("DroppedSteps", "droppedSteps", response.dropped_steps(), true)}));
}

}  // namespace bk::client
