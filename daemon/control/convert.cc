#include "daemon/control/convert.h"

#include "base/go_parse.h"
#include "proto/llb/source_lock.h"

namespace bk::control {
namespace {

// SOURCE_DATE_EPOCH of the build goes to every exporter that has none of its own. A text that is no time means nothing.
void ShareSourceDateEpoch(llb::BuildRequest& build) {
  auto epoch = build.frontend_attrs.find("build-arg:SOURCE_DATE_EPOCH");
  if (epoch == build.frontend_attrs.end()) return;
  if (!epoch->second.empty() && !ParseInt(epoch->second).ok()) return;
  for (llb::ExportRequest& exporter : build.exporters) exporter.attrs.try_emplace("source-date-epoch", epoch->second);
}

// Takes what only this project's clients ask out of the attributes of the frontend.
absl::StatusOr<llb::SourceRules> TakeSourceRules(std::map<std::string, std::string>& attrs) {
  auto take = [&](const char* key) {
    auto node = attrs.extract(key);
    return node.empty() ? std::string() : std::move(node.mapped());
  };
  llb::SourceRules rules;
  rules.record = take(llb::kLockRecordAttr) == "true";
  rules.offline = take(llb::kOfflineAttr) == "true";
  if (std::string text = take(llb::kLockSourcesAttr); !text.empty()) BK_ASSIGN(rules.lock, llb::SourceLock::Parse(text));
  return rules;
}

std::map<std::string, std::string> Copy(const google::protobuf::Map<std::string, std::string>& map) { return {map.begin(), map.end()}; }

std::vector<frontend::CacheImport> Copy(const google::protobuf::RepeatedPtrField<api::CacheOptionsEntry>& entries) {
  std::vector<frontend::CacheImport> out;
  for (const auto& entry : entries) out.push_back({entry.type(), Copy(entry.attrs())});
  return out;
}

absl::Status RefuseWhatIsNotBuilt(const api::SolveRequest& request) {
  if (!request.sourcepolicysession().empty()) return Unimplemented("source policy sessions are not built yet");
  if (request.enablesessionexporter()) return Unimplemented("session exporters are not built yet");
  if (request.proxynetwork()) return Unimplemented("the proxy network is not built yet");
  int64_t version = request.compatibilityversion();
  if (version > 30) return Unknown("unsupported compatibility-version ", version, ": upgrade buildkit (max supported: 30)");
  if (version == 10 || version == 20) return Unimplemented("compatibility version ", version, " is not built yet");
  if (version != 0 && version != 30) return Unknown("unsupported compatibility-version ", version, " (supported: [10 20 30])");
  return absl::OkStatus();
}

}  // namespace

google::protobuf::Timestamp Timestamp(int64_t time_ns) {
  google::protobuf::Timestamp out;
  out.set_seconds(time_ns / 1'000'000'000);
  out.set_nanos(static_cast<int32_t>(time_ns % 1'000'000'000));
  return out;
}

api::Vertex ToWire(const solver::VertexEvent& event) {
  api::Vertex out;
  out.set_digest(event.digest.str());
  for (const Digest& input : event.inputs) out.add_inputs(input.str());
  out.set_name(event.name);
  out.set_cached(event.cached);
  if (event.started_ns != 0) *out.mutable_started() = Timestamp(event.started_ns);
  if (event.completed_ns != 0) *out.mutable_completed() = Timestamp(event.completed_ns);
  out.set_error(event.error);
  if (event.group) {
    out.mutable_progressgroup()->set_id(event.group->id);
    out.mutable_progressgroup()->set_name(event.group->name);
    out.mutable_progressgroup()->set_weak(event.group->weak);
  }
  return out;
}

api::VertexStatus ToWire(const solver::StatusEvent& event) {
  api::VertexStatus out;
  out.set_id(event.id);
  out.set_vertex(event.vertex.str());
  out.set_name(event.name);
  out.set_current(event.current);
  out.set_total(event.total);
  *out.mutable_timestamp() = Timestamp(event.timestamp_ns);
  if (event.started_ns != 0) *out.mutable_started() = Timestamp(event.started_ns);
  if (event.completed_ns != 0) *out.mutable_completed() = Timestamp(event.completed_ns);
  return out;
}

api::VertexLog ToWire(const solver::LogEvent& event) {
  api::VertexLog out;
  out.set_vertex(event.vertex.str());
  out.set_stream(event.stream);
  out.set_msg(event.data);
  *out.mutable_timestamp() = Timestamp(event.timestamp_ns);
  return out;
}

api::VertexWarning ToWire(const solver::WarningEvent& event) {
  api::VertexWarning out;
  out.set_vertex(event.vertex.str());
  out.set_level(event.level);
  out.set_short_(event.short_text);
  for (const std::string& line : event.detail) out.add_detail(line);
  out.set_url(event.url);
  if (!event.source_info.empty()) out.mutable_info()->ParseFromString(event.source_info);
  for (const solver::SourceRange& range : event.ranges) {
    pb::Range* wire = out.add_ranges();
    wire->mutable_start()->set_line(range.start_line);
    wire->mutable_start()->set_character(range.start_character);
    wire->mutable_end()->set_line(range.end_line);
    wire->mutable_end()->set_character(range.end_character);
  }
  return out;
}

api::UsageRecord ToWire(const cache::UsageRecord& record) {
  api::UsageRecord out;
  out.set_id(record.id);
  out.set_mutable_(record.is_mutable);
  out.set_inuse(record.in_use);
  out.set_size(record.size_bytes);
  for (const std::string& parent : record.parents) out.add_parents(parent);
  *out.mutable_createdat() = Timestamp(record.created_ns);
  if (record.last_used_ns != 0) *out.mutable_lastusedat() = Timestamp(record.last_used_ns);
  out.set_usagecount(record.usage_count);
  out.set_description(record.description);
  out.set_recordtype(record.record_type);
  out.set_shared(record.shared);
  return out;
}

pb::Platform ToWire(const Platform& platform) {
  pb::Platform out;
  out.set_os(platform.os);
  out.set_architecture(platform.architecture);
  out.set_variant(platform.variant);
  out.set_osversion(platform.os_version);
  for (const std::string& feature : platform.os_features) out.add_osfeatures(feature);
  return out;
}

absl::StatusOr<llb::BuildRequest> FromWire(const api::SolveRequest& request) {
  BK_RETURN_IF_ERROR(RefuseWhatIsNotBuilt(request));
  if (request.ref().empty()) return InvalidArgument("solve request has no ref");
  llb::BuildRequest build;
  build.ref = request.ref();
  build.session_id = request.session();
  if (request.has_definition()) build.definition = std::make_shared<const pb::Definition>(request.definition());
  build.frontend = request.frontend();
  build.frontend_attrs = Copy(request.frontendattrs());
  BK_ASSIGN(build.source_rules, TakeSourceRules(build.frontend_attrs));
  for (const auto& [name, definition] : request.frontendinputs()) {
    build.frontend_inputs[name] = std::make_shared<const pb::Definition>(definition);
  }
  for (const auto& exporter : request.exporters()) build.exporters.push_back({exporter.type(), Copy(exporter.attrs())});
  if (build.exporters.empty() && !request.exporterdeprecated().empty()) {
    build.exporters.push_back({request.exporterdeprecated(), Copy(request.exporterattrsdeprecated())});
  }
  build.cache_exports = Copy(request.cache().exports());
  build.cache_imports = Copy(request.cache().imports());
  const auto& old = request.cache();
  if (!old.exportrefdeprecated().empty()) build.cache_exports.push_back({"registry", {{"ref", old.exportrefdeprecated()}}});
  for (const std::string& ref : old.importrefsdeprecated()) build.cache_imports.push_back({"registry", {{"ref", ref}}});
  build.entitlements = {request.entitlements().begin(), request.entitlements().end()};
  if (request.has_sourcepolicy()) build.source_policies.push_back(request.sourcepolicy());
  build.internal = request.internal();
  ShareSourceDateEpoch(build);
  return build;
}

}  // namespace bk::control
