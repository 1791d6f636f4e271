// keys/vertex: definitions to vertices. The daemon's default platform is linux/amd64 there. [RPC-075, LLB-124]
#include "daemon/llb/load/vertex_load.h"
#include "daemon/llb/policy/source_policy.h"
#include "daemon/source/identifier.h"
#include "tests/golden/keys/suites.h"

namespace bk::golden::keys {
namespace {

const char* KindOf(const pb::Op& op) {
  switch (op.op_case()) {
    case pb::Op::kExec: return "exec";
    case pb::Op::kSource: return "source";
    case pb::Op::kFile: return "file";
    case pb::Op::kBuild: return "build";
    case pb::Op::kMerge: return "merge";
    case pb::Op::kDiff: return "diff";
    case pb::Op::kPassthrough: return "passthrough";
    default: return "";  // a kind that this version does not know
  }
}

Json PlatformOf(const pb::Platform& platform) {
  Json out = Json::object();
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) out[key] = value;
  };
  set("Architecture", platform.architecture());
  set("OS", platform.os());
  set("Variant", platform.variant());
  set("OSVersion", platform.osversion());
  for (const std::string& feature : platform.osfeatures()) out["OSFeatures"].push_back(feature);
  return out;
}

// Resource limits mean something for steps only.
Json OptionsOf(const solver::Vertex& vertex, const llb::LoadedOp& loaded) {
  const pb::OpMetadata& metadata = loaded.metadata;
  Json out = Json::object();
  if (!metadata.description().empty()) {
    std::map<std::string, std::string> sorted(metadata.description().begin(), metadata.description().end());
    out["description"] = sorted;
  }
  if (vertex.ignore_cache) out["ignore_cache"] = true;
  if (metadata.has_export_cache()) out["export_cache"] = metadata.export_cache().value();
  if (vertex.progress_group) {
    out["progress_group"] = {{"id", vertex.progress_group->id}, {"name", vertex.progress_group->name}};
    if (vertex.progress_group->weak) out["progress_group"]["weak"] = true;
  }
  if (metadata.has_linux_resources() && loaded.op->has_exec()) out["has_linux_resources"] = true;
  return out;
}

Json VertexOf(const solver::Vertex& vertex, const llb::LoadedOp& loaded) {
  Json inputs = Json::array();
  for (const solver::Edge& input : vertex.inputs) inputs.push_back({{"digest", input.vertex->digest.str()}, {"index", input.index}});
  Json out = {{"digest", vertex.digest.str()}, {"inputs", inputs}, {"kind", KindOf(*loaded.op)}, {"name", vertex.name}};
  if (Json options = OptionsOf(vertex, loaded); !options.empty()) out["options"] = options;
  out["platform"] = PlatformOf(loaded.op->platform());
  return out;
}

pb::Definition DefinitionOf(const Json& c) {
  pb::Definition definition;
  for (const Json& op : c["ops"]) definition.add_def(*Base64Decode(op["bytes"].get<std::string>()));
  if (!c.contains("metadata")) return definition;
  for (const auto& [raw, metadata] : c["metadata"].items()) {
    (*definition.mutable_metadata())[raw].ParseFromString(*Base64Decode(metadata["bytes"].get<std::string>()));
  }
  return definition;
}

std::string Sorted(const Json& value) { return nlohmann::json::parse(value.dump()).dump(); }

absl::Status CheckVertices(const Json& want, const llb::LoadedDefinition& loaded) {
  std::map<std::string, const solver::Vertex*> by_digest;
  std::vector<const solver::Vertex*> stack{loaded.root.vertex.get()};
  while (!stack.empty()) {
    const solver::Vertex* vertex = stack.back();
    stack.pop_back();
    if (!by_digest.emplace(vertex->digest.str(), vertex).second) continue;
    for (const solver::Edge& input : vertex->inputs) stack.push_back(input.vertex.get());
  }
  if (by_digest.size() != want.size()) return Internal("got ", by_digest.size(), " vertices, want ", want.size());
  for (const Json& vertex : want) {
    auto found = by_digest.find(vertex["digest"].get<std::string>());
    if (found == by_digest.end()) return Internal("no vertex ", vertex["digest"].get<std::string>());
    BK_RETURN_IF_ERROR(ExpectText("vertex", Sorted(VertexOf(*found->second, loaded.ops.at(found->first))), Sorted(vertex)));
  }
  return absl::OkStatus();
}

// As the daemon does: in the source's own normal form first.
absl::Status ApplyPolicy(const llb::SourcePolicy& policy, pb::SourceOp& op) {
  auto parsed = source::ParseIdentifier(op.identifier(), {op.attrs().begin(), op.attrs().end()});
  if (parsed.ok()) op.set_identifier(source::CanonicalText(*parsed));
  return policy.Apply(op);
}

}  // namespace

absl::Status RunVertex(const Json& c, const std::string&) {
  const Json& expect = c["expect"];
  llb::LoadOptions options;
  options.default_platform = {"linux", "amd64", "", "", {}};
  for (const Json& entitlement : c.value("entitlements", Json::array())) options.entitlements.names.insert(entitlement.get<std::string>());
  options.proxy_network = c.value("proxy_network", false);
  llb::PolicyList policies(c.contains("policy") ? 1 : 0);
  for (llb::PolicyProto& policy : policies) policy.ParseFromString(*Base64Decode(c["policy"]["bytes"].get<std::string>()));
  llb::SourcePolicy policy(policies);
  if (!policies.empty()) options.source_policy = [&](pb::SourceOp& source) { return ApplyPolicy(policy, source); };
  auto loaded = llb::LoadDefinition(CancelToken(), DefinitionOf(c), options);
  if (expect.contains("error")) {
    if (loaded.ok()) return Internal("loaded, want error ", expect["error"].get<std::string>());
    std::string want = expect["error"], got = Message(loaded.status());
    // What follows belongs to another decoder's wording.
    constexpr std::string_view kParse = "failed to parse llb proto op:";
    if (want.starts_with(kParse)) want = kParse, got = got.substr(0, kParse.size());
    return ExpectText("error", got, want);
  }
  BK_RETURN_IF_ERROR(loaded.status());
  BK_RETURN_IF_ERROR(ExpectText("root", loaded->root.vertex->digest.str(), expect["root"]["digest"].get<std::string>()));
  if (loaded->root.index != expect["root"]["index"].get<int>()) return Internal("root index ", loaded->root.index);
  for (const Json& op : expect["ops"]) {
    auto found = loaded->vertex_of_raw.find(op["raw"].get<std::string>());
    if (found == loaded->vertex_of_raw.end()) return Internal("no vertex for ", op["raw"].get<std::string>());
    BK_RETURN_IF_ERROR(ExpectText("digest", found->second.str(), op["digest"].get<std::string>()));
  }
  Json pruned = Json::object();
  for (const auto& [id, nested] : loaded->pruned_cache_ids) pruned[id] = nested;
  BK_RETURN_IF_ERROR(ExpectText("pruned cache ids", Sorted(pruned), Sorted(expect.value("pruned_cache_ids", Json::object()))));
  return CheckVertices(expect["vertices"], *loaded);
}

}  // namespace bk::golden::keys
