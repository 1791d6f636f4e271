#include "base/digest.h"
#include "daemon/frontend/dockerfile/convert/build_context.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "proto/llb/state.h"
#include "tests/golden/dockerfile/stub_bridge.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace {

bool SupportsAll(std::string_view) { return true; }

// Each an image for linux/amd64.
absl::StatusOr<bk::dockerfile::FrontendInputs> InputsOf(const Json& input) {
  bk::dockerfile::FrontendInputs out;
  const Json given = input.value("inputs", Json::object());
  for (const auto& [name, ref] : given.items()) {
    bk::llb::Graph graph;
    BK_TRY(pb::Definition made, graph.Marshal(bk::llb::Image(graph, ref.get<std::string>(), {}).output(), {"linux", "amd64"}));
    out[name] = std::make_shared<const pb::Definition>(std::move(made));
  }
  return out;
}

}  // namespace

absl::StatusOr<frontend::Result> BuildCase(StubBridge& bridge, const Json& input) {
  std::map<std::string, std::string> opts;
  const Json given = input.value("opts", Json::object());
  for (const auto& [key, value] : given.items()) opts[key] = value.get<std::string>();
  bk::dockerfile::DockerfileFrontend frontend(&SupportsAll);
  BK_TRY(auto inputs, InputsOf(input));
  return frontend.Solve(CancelToken::Never(), bridge, opts, inputs);
}

namespace {

// Random ids of progress groups, numbered as they appear.
class GroupNames {
 public:
  std::string Of(const std::string& id) { return names_.try_emplace(id, StrCat("pg", names_.size())).first->second; }

 private:
  std::map<std::string, std::string> names_;
};

// As protobuf's JSON: 64-bit numbers are texts.
Json ResourcesJson(const pb::LinuxResources& r) {
  Json out = Json::object();
  auto number = [&](const char* key, auto value) {
    if (value != 0) out[key] = std::to_string(value);
  };
  number("memory", r.memory());
  number("memorySwap", r.memoryswap());
  number("cpuShares", r.cpushares());
  number("cpuPeriod", r.cpuperiod());
  number("cpuQuota", r.cpuquota());
  if (!r.cpusetcpus().empty()) out["cpusetCpus"] = r.cpusetcpus();
  if (!r.cpusetmems().empty()) out["cpusetMems"] = r.cpusetmems();
  return out;
}

Json MetadataJson(const pb::OpMetadata& metadata, GroupNames& groups) {
  Json out = Json::object();
  std::map<std::string, bool> caps(metadata.caps().begin(), metadata.caps().end());
  for (const auto& [cap, ignored] : caps) out["caps"].push_back(cap);
  for (const auto& [key, value] : metadata.description()) out["description"][key] = value;
  if (metadata.ignore_cache()) out["ignore_cache"] = true;
  if (metadata.has_progress_group()) {
    const pb::ProgressGroup& group = metadata.progress_group();
    out["progress_group"] = {{"id", groups.Of(group.id())}, {"name", group.name()}, {"weak", group.weak()}};
  }
  if (metadata.has_linux_resources()) out["linux_resources"] = ResourcesJson(metadata.linux_resources());
  return out;
}

Json LocationsOf(const pb::Definition& definition, const std::string& digest) {
  Json out = Json::array();
  auto found = definition.source().locations().find(digest);
  if (found == definition.source().locations().end()) return out;
  for (const pb::Location& location : found->second.locations()) {
    Json ranges = Json::array();
    for (const pb::Range& r : location.ranges()) ranges.push_back({r.start().line(), r.start().character(), r.end().line(), r.end().character()});
    out.push_back(ranges);
  }
  return out;
}

Json OpsJson(const pb::Definition& definition, GroupNames& groups) {
  Json out = Json::array();
  for (const std::string& bytes : definition.def()) {
    std::string digest = DigestOf(bytes).str();
    Json op = {{"digest", digest}, {"op_b64", Base64Encode(bytes)}};
    if (auto metadata = definition.metadata().find(digest); metadata != definition.metadata().end()) {
      op["metadata"] = MetadataJson(metadata->second, groups);
    }
    if (Json locations = LocationsOf(definition, digest); !locations.empty()) op["locations"] = locations;
    out.push_back(std::move(op));
  }
  return out;
}

// The readable copy of an operation is there for people.
Json Comparable(Json ops) {
  for (Json& op : ops) op.erase("op");
  return ops;
}

absl::Status CheckResult(const frontend::Ref& ref, const Json& want, const std::string& dockerfile) {
  GroupNames groups;
  const pb::Definition& definition = ref.definition();
  const auto& stub = static_cast<const StubRef&>(ref);
  BK_RETURN_IF_ERROR(ExpectJson("ops", OpsJson(definition, groups), Comparable(want["ops"])));
  Json imports = Json::array();
  for (const auto& import : stub.imports) imports.push_back({{"type", import.type}, {"attrs", import.attrs}});
  BK_RETURN_IF_ERROR(ExpectJson("cache imports", imports, want.value("cache_imports", Json::array())));
  if (!want.contains("source_infos")) return absl::OkStatus();
  Json infos = Json::array(), wanted = want["source_infos"];
  for (const pb::SourceInfo& info : definition.source().infos()) {
    Json one = {{"filename", info.filename()}, {"language", info.language()}, {"data", info.data() == dockerfile ? "$DOCKERFILE" : info.data()}};
    if (info.has_definition()) one["definition"]["ops"] = OpsJson(info.definition(), groups);
    infos.push_back(one);
  }
  for (Json& one : wanted) {
    if (one.contains("definition")) {
      one["definition"]["ops"] = Comparable(one["definition"]["ops"]);
    } else {
      for (Json& got : infos) got.erase("definition");
    }
  }
  return ExpectJson("source infos", infos, wanted);
}

}  // namespace

absl::Status RunLlb(const Json& c, const std::string& dir) {
  const Json &input = c["input"], &want = c["expect"];
  StubBridge bridge(input, dir);
  BK_TRY(frontend::Result result, BuildCase(bridge, input));
  const Json wanted = want.value("results", Json::array());
  for (const Json& one : wanted) {
    std::string platform = one.value("platform", "");
    frontend::RefPtr ref = platform.empty() ? result.ref : result.refs[platform];
    if (!ref) return Internal("no result for platform ", Quote(platform));
    BK_RETURN_IF_ERROR(CheckResult(*ref, one, DockerfileOf(input)));
  }
  if (result.is_map && result.refs.size() != wanted.size()) return Internal("got ", result.refs.size(), " results");
  BK_RETURN_IF_ERROR(ExpectJson("metadata", result.metadata, want.value("metadata", Json::object())));
  BK_RETURN_IF_ERROR(ExpectJson("resolves", bridge.Resolves(), want.value("resolves", Json::array())));
  BK_RETURN_IF_ERROR(ExpectJson("source metadata requests", bridge.MetadataRequests(), want.value("source_metadata_requests", Json::array())));
  BK_RETURN_IF_ERROR(ExpectJson("forwarded", bridge.Forwarded(), want.value("forwarded", Json::array())));
  if (want.contains("loads")) {
    Json got = Json::array(), loads = want["loads"];
    for (const auto& ref : bridge.refs()) {
      GroupNames groups;
      if (!ref->was_read) continue;
      got.push_back({{"ops", OpsJson(ref->definition(), groups)}});
      if (ref->evaluate) got.back()["evaluate"] = true;
    }
    for (Json& load : loads) load["ops"] = Comparable(load["ops"]);
    BK_RETURN_IF_ERROR(ExpectJson("loads", got, loads));
  }
  return ExpectJson("warnings", bridge.Warnings(), want.value("warnings", Json::array()));
}

absl::Status RunLlbErrors(const Json& c, const std::string& dir) {
  const Json &input = c["input"], &want = c["expect"];
  StubBridge bridge(input, dir);
  auto result = BuildCase(bridge, input);
  if (result.ok()) return Internal("succeeded, want ", want["error"].get<std::string>());
  std::string said = Message(result.status()), error = Text(want["error"]);
  // What a JSON library says after the text that it could not read is not compared.
  if (error.starts_with("failed to unmarshal ")) {
    error.resize(error.find("\"): ") + 4);
    said.resize(std::min(said.size(), error.size()));
  }
  BK_RETURN_IF_ERROR(ExpectText("error", said, error));
  Json got = Json::array(), wanted = Json::array();
  for (const ErrorDetail& detail : Details(result.status())) {
    if (detail.type != "errdefs.Source") continue;
    Json ranges = Json::array();
    const Json parsed = Json::parse(detail.json).value("ranges", Json::array());
    for (const Json& r : parsed) {
      ranges.push_back({r["start"].value("line", 0), r["start"].value("character", 0), r["end"].value("line", 0), r["end"].value("character", 0)});
    }
    got.push_back(ranges);
  }
  for (const Json& source : want["sources"]) wanted.push_back(source["ranges"]);
  return ExpectJson("sources", got, wanted);
}

}  // namespace bk::golden::dockerfile
