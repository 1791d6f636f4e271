#include "daemon/frontend/gateway/frontend_source.h"

#include <nlohmann/json.hpp>

#include "base/ignore_pattern.h"
#include "base/reference.h"
#include "daemon/frontend/git_source.h"
#include "daemon/frontend/without_credentials.h"
#include "proto/llb/state.h"

namespace bk::frontend::gateway {
namespace {

using Json = nlohmann::json;
using Opts = std::map<std::string, std::string>;

constexpr char kContext[] = "context:", kIgnoreFile[] = ".dockerignore";
constexpr int kMaxReplacements = 10;

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

absl::StatusOr<FrontendSource> FromImage(Bridge& bridge, const Bridge::ImageConfig& image) {
  FrontendSource out;
  BK_RETURN_IF_ERROR(ReadConfig(image.config, out));
  out.digest = image.digest;
  BK_TRY(ImageReference resolved, ImageReference::Parse(image.ref));
  if (auto digest = Digest::Parse(image.digest); digest.ok()) resolved = resolved.WithDigest(*digest);
  llb::Graph graph;
  llb::OpOptions options;
  BK_RETURN_IF_ERROR(SetTree(bridge, graph, llb::Source(graph, "docker-image://" + resolved.str(), {{"image.recordtype", "frontend"}}, std::move(options)), out));
  return out;
}

// What the caller put in the place of a frontend's image: the value of an option "context:KEY".
class NamedFrontend {
 public:
  NamedFrontend(const CancelToken& cancel, Bridge& bridge, const Opts& opts, const Inputs& inputs, const ImageReference& name, std::string key)
      : cancel_(cancel), bridge_(bridge), opts_(opts), inputs_(inputs), name_(name), key_(std::move(key)) {}

  // `replacements`: how often policies have put another source in the place already.
  absl::StatusOr<FrontendSource> Load(const std::string& context, int replacements = 0) {
    if (replacements > kMaxReplacements) return InvalidArgument("context recursion limit exceeded; this may indicate a cycle in the provided source policies: ", context);
    size_t colon = context.find(':');
    if (colon == std::string::npos) return InvalidArgument("invalid context specifier ", context, " for ", key_);
    std::string kind = context.substr(0, colon), rest = context.substr(colon + 1);
    std::string reference = rest.starts_with("//") ? rest.substr(2) : rest;
    if (kind == "docker-image") return LoadImage(reference, replacements);
    if (kind == "oci-layout") return LoadLayout(reference);
    if (kind == "local") return LoadDirectory(rest);
    if (kind == "input") return LoadInput(rest);
    bool git_only = kind == "git" || kind.starts_with("git@");
    if (git_only || kind == "http" || kind == "https") return LoadRemote(context, git_only);
    return InvalidArgument("unsupported context source ", kind, " for ", key_);
  }

 private:
  absl::StatusOr<FrontendSource> LoadImage(const std::string& text, int replacements) {
    if (text == "scratch") {
      FrontendSource nothing;
      nothing.definition = std::make_shared<const pb::Definition>();
      return nothing;
    }
    BK_TRY(ImageReference other, ImageReference::Parse(text));
    Bridge::ResolveOptions resolve;
    resolve.log_name = StrCat("[context ", key_, "] load metadata for ", text);
    resolve.any_source = true;
    BK_TRY(Bridge::ImageConfig image, bridge_.ResolveImageConfig(cancel_, other.WithDefaultTag().str(), resolve));
    if (size_t scheme = image.ref.find("://"); scheme != std::string::npos) {
      // Contexts are called KIND:NAME, but for URLs.
      bool is_url = image.ref.starts_with("http") || image.ref.starts_with("git:");
      return Load(is_url ? image.ref : StrCat(image.ref.substr(0, scheme), ":", image.ref.substr(scheme + 3)), replacements + 1);
    }
    return FromImage(bridge_, image);
  }

  absl::StatusOr<FrontendSource> LoadLayout(const std::string& text) {
    size_t at = text.find('@');
    if (at == std::string::npos) return InvalidArgument("oci-layout reference ", Quote(text), " has no digest");
    auto digest = Digest::Parse(text.substr(at + 1));
    if (!digest.ok()) return Annotate(digest.status(), StrCat("could not parse oci-layout reference ", Quote(text)));
    std::string shown = name_.WithDigest(*digest).str();
    Bridge::ResolveOptions resolve;
    resolve.log_name = StrCat("[context ", key_, "] load metadata for ", shown);
    resolve.session_id = bridge_.SessionId();
    resolve.store_id = text.substr(0, std::min(text.find(':'), at));
    FrontendSource out;
    BK_TRY(Bridge::ImageConfig image, bridge_.ResolveImageConfig(cancel_, shown, resolve));
    BK_RETURN_IF_ERROR(ReadConfig(image.config, out));
    out.digest = image.digest;
    llb::Graph graph;
    llb::OpOptions options;
    options.caps.insert("source.ocilayout");
    options.Name(StrCat("[context ", key_, "] OCI load from client"));
    std::map<std::string, std::string> attrs = {{"oci.session", resolve.session_id}, {"oci.store", resolve.store_id}};
    BK_RETURN_IF_ERROR(SetTree(bridge_, graph, llb::Source(graph, "oci-layout://" + shown, std::move(attrs), std::move(options)), out));
    return out;
  }

  // One file by the name "context", or a repository.
  absl::StatusOr<FrontendSource> LoadRemote(const std::string& context, bool git_only) {
    BK_TRY(std::optional<GitRequest> git, ParseGitRequest(context));
    if (!git && git_only) return InvalidArgument("invalid git context ", context);
    FrontendSource out;
    llb::Graph graph;
    if (git) {
      BK_RETURN_IF_ERROR(SetTree(bridge_, graph, GitContextState(graph, *git), out));
      return out;
    }
    llb::OpOptions options;
    options.caps.insert("source.http");
    options.Name(StrCat("[context ", key_, "] ", WithoutCredentials(context)));
    BK_RETURN_IF_ERROR(SetTree(bridge_, graph, llb::Source(graph, context, {{"http.filename", "context"}}, std::move(options)), out));
    return out;
  }

  absl::StatusOr<FrontendSource> LoadDirectory(const std::string& directory) {
    auto option = [&](const std::string& key) {
      auto found = opts_.find(key);
      return found == opts_.end() ? std::string() : found->second;
    };
    llb::LocalOptions options;
    options.session_id = option("local-sessionid:" + directory);
    if (options.session_id.empty()) options.session_id = bridge_.SessionId();
    BK_ASSIGN(options.exclude_patterns, IgnoredIn(directory, options.session_id));
    options.shared_key_hint = StrCat(kContext, key_, "-", option("sharedkey:localdir:" + key_));
    options.op.Name(StrCat("[context ", key_, "] load from client"));
    FrontendSource out;
    llb::Graph graph;
    BK_RETURN_IF_ERROR(SetTree(bridge_, graph, llb::Local(graph, directory, std::move(options)), out));
    return out;
  }

  absl::StatusOr<std::vector<std::string>> IgnoredIn(const std::string& directory, const std::string& session_id) {
    llb::Graph graph;
    llb::LocalOptions options;
    options.session_id = session_id;
    options.follow_paths = {kIgnoreFile};
    options.shared_key_hint = StrCat(kContext, key_, "-", kIgnoreFile);
    options.differ = "none";
    options.op.Name(StrCat("[context ", key_, "] load ", kIgnoreFile));
    FrontendSource file;
    BK_RETURN_IF_ERROR(SetTree(bridge_, graph, llb::Local(graph, directory, std::move(options)), file));
    SolveRequest request;
    request.definition = file.definition;
    request.evaluate = true;
    BK_TRY(Result tree, bridge_.Solve(cancel_, request));
    if (tree.ref == nullptr) return std::vector<std::string>();
    auto text = bridge_.ReadFile(cancel_, *tree.ref, kIgnoreFile, 0, -1);  // none: nothing is ignored
    BK_RETURN_IF_ERROR(cancel_.Check());
    if (!text.ok() || text->empty()) return std::vector<std::string>();
    auto patterns = ReadIgnoreFile(*text);
    if (!patterns.ok()) return Annotate(patterns.status(), StrCat("failed parsing ", kIgnoreFile));
    return patterns;
  }

  // The result of another build, with the configuration that came with it (JSON of byte strings by key).
  absl::StatusOr<FrontendSource> LoadInput(const std::string& name) {
    auto input = inputs_.find(name);
    if (input == inputs_.end()) return InvalidArgument("invalid input ", name, " for ", key_);
    FrontendSource out;
    out.definition = input->second;
    auto metadata = opts_.find("input-metadata:" + name);
    if (metadata == opts_.end()) return out;
    Json json = Json::parse(metadata->second, nullptr, false);
    if (!json.is_object()) return InvalidArgument("failed to parse input metadata ", metadata->second);
    auto config = json.find("containerimage.config");
    if (config == json.end()) return out;
    absl::StatusOr<std::string> text = InvalidArgument("no text");
    if (config->is_string()) text = Base64Decode(config->get_ref<const std::string&>());
    if (!text.ok()) return InvalidArgument("failed to parse input metadata ", metadata->second);
    absl::Status read = ReadConfig(*text, out);
    if (!read.ok()) return Annotate(read, StrCat("failed to parse image config for ", key_));
    return out;
  }

  const CancelToken& cancel_;
  Bridge& bridge_;
  const Opts& opts_;
  const Inputs& inputs_;
  const ImageReference& name_;
  const std::string key_;
};

// The option "context:KEY" for this platform, or for all.
Opts::const_iterator ContextFor(const ImageReference& name, const Platform& platform, const Opts& opts) {
  std::string familiar = name.familiar();
  if (familiar.ends_with(":latest")) familiar.resize(familiar.size() - 7);
  auto found = opts.find(StrCat(kContext, familiar, "::", FormatPlatformAll(NormalizePlatform(platform))));
  return found != opts.end() ? found : opts.find(kContext + familiar);
}

}  // namespace

absl::StatusOr<FrontendSource> FindFrontend(const CancelToken& cancel, Bridge& bridge, const std::string& source, const Opts& opts, const Inputs& inputs) {
  auto name = ImageReference::Parse(source);
  if (!name.ok()) return Annotate(name.status(), StrCat("invalid context name ", source));
  auto context = ContextFor(*name, PlatformOf(bridge), opts);
  if (context != opts.end()) return NamedFrontend(cancel, bridge, opts, inputs, *name, context->first.substr(sizeof kContext - 1)).Load(context->second);
  BK_TRY(Bridge::ImageConfig image, bridge.ResolveImageConfig(cancel, name->WithDefaultTag().str(), {}));
  return FromImage(bridge, image);
}

}  // namespace bk::frontend::gateway
