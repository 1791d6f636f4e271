#include "daemon/frontend/gateway/frontend_source.h"

#include <nlohmann/json.hpp>

#include "base/reference.h"
#include "proto/llb/state.h"

namespace bk::frontend::gateway {
namespace {

using Json = nlohmann::json;

constexpr char kContext[] = "context:";

absl::Status ReadConfig(const std::string& text, FrontendSource& out) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidArgument("the configuration of the frontend image is no JSON object");
  auto config = json.find("config");
  if (config == json.end() || !config->is_object()) return absl::OkStatus();
  try {
    auto given = [&](const char* key) { return config->contains(key) && !(*config)[key].is_null(); };
    if (given("Env")) out.env = (*config)["Env"].get<std::vector<std::string>>();
    if (given("Entrypoint")) out.entrypoint = (*config)["Entrypoint"].get<std::vector<std::string>>();
    if (given("Labels")) out.labels = (*config)["Labels"].get<std::map<std::string, std::string>>();
    if (given("WorkingDir") && (*config)["WorkingDir"] != "") out.working_dir = (*config)["WorkingDir"].get<std::string>();
  } catch (const Json::exception& e) {
    return InvalidArgument("the configuration of the frontend image: ", std::string_view(e.what()));
  }
  return absl::OkStatus();
}

Platform PlatformOf(const Bridge& bridge) {
  auto workers = bridge.Workers();
  return workers.empty() || workers[0].platforms.empty() ? HostPlatform() : workers[0].platforms[0];
}

absl::Status SetTree(const Bridge& bridge, llb::Graph& graph, const llb::State& state, FrontendSource& out) {
  BK_TRY(pb::Definition definition, graph.Marshal(state.output(), PlatformOf(bridge)));
  out.definition = std::make_shared<const pb::Definition>(std::move(definition));
  return absl::OkStatus();
}

absl::StatusOr<FrontendSource> FromImage(const CancelToken& cancel, Bridge& bridge, const ImageReference& name, const Bridge::ResolveOptions& resolve) {
  FrontendSource out;
  BK_TRY(Bridge::ImageConfig image, bridge.ResolveImageConfig(cancel, name.WithDefaultTag().str(), resolve));
  BK_RETURN_IF_ERROR(ReadConfig(image.config, out));
  out.digest = image.digest;
  BK_TRY(ImageReference resolved, ImageReference::Parse(image.ref));
  if (auto digest = Digest::Parse(image.digest); digest.ok()) resolved = resolved.WithDigest(*digest);
  llb::Graph graph;
  llb::OpOptions options;
  BK_RETURN_IF_ERROR(SetTree(bridge, graph, llb::Source(graph, "docker-image://" + resolved.str(), {{"image.recordtype", "frontend"}}, std::move(options)), out));
  return out;
}

absl::StatusOr<FrontendSource> FromLayout(const CancelToken& cancel, Bridge& bridge, const ImageReference& name, const std::string& text) {
  size_t at = text.find('@');
  if (at == std::string::npos) return InvalidArgument("oci-layout reference ", Quote(text), " has no digest");
  BK_TRY(Digest digest, Digest::Parse(text.substr(at + 1)));
  std::string shown = name.WithDigest(digest).str();
  Bridge::ResolveOptions resolve;
  resolve.session_id = bridge.SessionId();
  resolve.store_id = text.substr(0, std::min(text.find(':'), at));
  FrontendSource out;
  BK_TRY(Bridge::ImageConfig image, bridge.ResolveImageConfig(cancel, shown, resolve));
  BK_RETURN_IF_ERROR(ReadConfig(image.config, out));
  out.digest = image.digest;
  llb::Graph graph;
  llb::OpOptions options;
  options.caps.insert("source.ocilayout");
  std::map<std::string, std::string> attrs = {{"oci.session", resolve.session_id}, {"oci.store", resolve.store_id}};
  BK_RETURN_IF_ERROR(SetTree(bridge, graph, llb::Source(graph, "oci-layout://" + shown, std::move(attrs), std::move(options)), out));
  return out;
}

absl::StatusOr<FrontendSource> FromDirectory(Bridge& bridge, const std::string& key, const std::string& name) {
  FrontendSource out;
  llb::Graph graph;
  llb::LocalOptions options;
  options.session_id = bridge.SessionId();
  options.shared_key_hint = StrCat(kContext, key, "-");
  options.op.Name(StrCat("[context ", key, "] load from client"));
  BK_RETURN_IF_ERROR(SetTree(bridge, graph, llb::Local(graph, name, std::move(options)), out));
  return out;
}

// The value of "context:NAME" for this platform, or for all; `key` is the name that matched.
std::string ContextFor(const ImageReference& name, const Platform& platform, const std::map<std::string, std::string>& opts, std::string& key) {
  std::string familiar = name.familiar();
  if (familiar.ends_with(":latest")) familiar.resize(familiar.size() - 7);
  for (std::string candidate : {StrCat(familiar, "::", FormatPlatformAll(NormalizePlatform(platform))), familiar}) {
    auto found = opts.find(kContext + candidate);
    if (found == opts.end()) continue;
    key = candidate;
    return found->second;
  }
  return "";
}

}  // namespace

absl::StatusOr<FrontendSource> FindFrontend(const CancelToken& cancel, Bridge& bridge, const std::string& source, const std::map<std::string, std::string>& opts, const Inputs& inputs) {
  auto name = ImageReference::Parse(source);
  if (!name.ok()) return Annotate(name.status(), StrCat("invalid context name ", source));
  std::string key, context = ContextFor(*name, PlatformOf(bridge), opts, key);
  if (key.empty()) return FromImage(cancel, bridge, *name, {});
  size_t colon = context.find(':');
  if (colon == std::string::npos) return InvalidArgument("invalid context specifier ", context, " for ", key);
  std::string kind = context.substr(0, colon), rest = context.substr(colon + 1);
  std::string reference = rest.starts_with("//") ? rest.substr(2) : rest;
  if (kind == "docker-image") {
    BK_TRY(ImageReference other, ImageReference::Parse(reference));
    Bridge::ResolveOptions resolve;
    resolve.log_name = StrCat("[context ", key, "] load metadata for ", reference);
    return FromImage(cancel, bridge, other, resolve);
  }
  if (kind == "oci-layout") return FromLayout(cancel, bridge, *name, reference);
  if (kind == "local") return FromDirectory(bridge, key, rest);
  if (kind != "input") return InvalidArgument("unsupported context source ", kind, " for ", key);
  auto input = inputs.find(rest);
  if (input == inputs.end()) return InvalidArgument("invalid input ", rest, " for ", key);
  FrontendSource out;
  out.definition = input->second;
  return out;
}

}  // namespace bk::frontend::gateway
