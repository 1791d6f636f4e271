#include "daemon/frontend/dockerfile/convert/named_context.h"

#include <nlohmann/json.hpp>

#include "base/ignore_pattern.h"
#include "base/reference.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"
#include "daemon/frontend/dockerfile/convert/remote_source.h"
#include "daemon/frontend/without_credentials.h"

namespace bk::dockerfile {
namespace {

constexpr char kIgnoreFile[] = ".dockerignore";
constexpr int kMaxReplacements = 10;

// Takes over the settings that an image gives to commands on it.
llb::State WithConfig(llb::State state, const ImageConfig& image) {
  for (const std::string& entry : image.env) {
    size_t equals = entry.find('=');
    if (equals == 0 || entry.empty()) continue;
    state = state.SetEnv(entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
  }
  state = state.SetDir(image.working_dir);
  if (!image.platform.empty()) state = state.SetPlatform(image.platform);
  return state;
}

absl::StatusOr<bool> Load(Conversion& c, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform, int replacements);

// `replacements`: how often policies have put another source in the place already.
absl::StatusOr<bool> LoadImage(Conversion& c, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform, const std::string& text, int replacements) {
  if (text == "scratch") {
    stage.state = llb::State::Scratch(c.graph);
    return false;
  }
  BK_TRY(ImageReference parsed, ImageReference::Parse(text));
  frontend::Bridge::ResolveOptions resolve;
  resolve.platform = platform;
  resolve.resolve_mode = c.options.resolve_mode.empty() ? "default" : c.options.resolve_mode;
  resolve.log_name = StrCat("[context ", context.shown_name, "] load metadata for ", text);
  resolve.any_source = true;
  BK_TRY(auto answer, c.input.context->bridge().ResolveImageConfig(c.input.context->cancel(), parsed.WithDefaultTag().str(), resolve));
  if (size_t scheme = answer.ref.find("://"); scheme != std::string::npos) {
    NamedContext other = context;
    // Contexts are called KIND:NAME, but for URLs.
    bool is_url = answer.ref.starts_with("http") || answer.ref.starts_with("git:");
    other.input = is_url ? answer.ref : StrCat(answer.ref.substr(0, scheme), ":", answer.ref.substr(scheme + 3));
    return Load(c, stage, other, platform, replacements + 1);
  }
  BK_TRY(ImageConfig image, ParseImageConfig(answer.config));
  llb::ImageOptions options;
  options.op.platform = platform;
  options.op.Name(StrCat("[context ", context.shown_name, "] ", text));
  stage.state = WithConfig(llb::Image(c.graph, answer.ref, std::move(options)), image);
  image.created.clear();
  stage.image = std::move(image);
  return true;
}

absl::StatusOr<bool> LoadOciLayout(Conversion& c, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform, const std::string& text) {
  size_t at = text.find('@');
  std::string store = text.substr(0, std::min(text.find(':'), at));
  if (store.empty()) return InvalidArgument("could not parse oci-layout reference ", Quote(text), ": invalid reference format");
  if (at == std::string::npos) return InvalidArgument("oci-layout reference ", Quote(text), " has no digest");
  auto digest = Digest::Parse(text.substr(at + 1));
  if (!digest.ok()) return Annotate(digest.status(), StrCat("could not parse oci-layout reference ", Quote(text)));
  // The store's name says nothing to a reader of progress lines: the image is called what the file calls it.
  auto named = ImageReference::Parse(context.name);
  if (!named.ok()) return Annotate(named.status(), StrCat("could not parse oci-layout reference ", Quote(context.name)));
  std::string shown = named->WithDigest(*std::move(digest)).str();
  frontend::Bridge::ResolveOptions resolve;
  resolve.platform = platform;
  resolve.log_name = StrCat("[context ", context.shown_name, "] load metadata for ", shown);
  resolve.session_id = c.input.context->bridge().SessionId();
  resolve.store_id = store;
  BK_TRY(auto answer, c.input.context->bridge().ResolveImageConfig(c.input.context->cancel(), shown, resolve));
  auto image = ParseImageConfig(answer.config);
  if (!image.ok()) return Annotate(image.status(), "could not parse oci-layout image config");
  llb::OpOptions options;
  options.platform = platform;
  options.caps.insert("source.ocilayout");
  options.Name(StrCat("[context ", context.shown_name, "] OCI load from client"));
  std::map<std::string, std::string> attrs = {{"oci.session", resolve.session_id}, {"oci.store", store}};
  stage.state = WithConfig(llb::Source(c.graph, "oci-layout://" + shown, std::move(attrs), std::move(options)), *image);
  stage.image = *std::move(image);
  return true;
}

// The image configuration that came with an input: JSON of byte strings by key.
absl::StatusOr<std::optional<ImageConfig>> InputImage(const std::string& metadata) {
  nlohmann::json json = nlohmann::json::parse(metadata, nullptr, false);
  if (!json.is_object()) return InvalidArgument("failed to parse input metadata ", metadata);
  auto config = json.find("containerimage.config");
  if (config == json.end()) return std::nullopt;
  absl::StatusOr<std::string> text = InvalidArgument("no text");
  if (config->is_string()) text = Base64Decode(config->get_ref<const std::string&>());
  if (!text.ok()) return InvalidArgument("failed to parse input metadata ", metadata);
  BK_TRY(ImageConfig image, ParseImageConfig(*text));
  return image;
}

absl::StatusOr<bool> LoadInput(Conversion& c, StageState& stage, const NamedContext& context, const std::string& input) {
  BK_TRY(std::optional<llb::State> state, c.input.context->Input(c.graph, input));
  if (!state) return InvalidArgument("invalid input ", input, " for ", context.shown_name);
  stage.state = *std::move(state);
  auto metadata = c.options.input_metadata.find(input);
  if (metadata == c.options.input_metadata.end()) return false;
  auto image = InputImage(metadata->second);
  if (!image.ok()) return Annotate(image.status(), StrCat("failed to parse image config for ", context.shown_name));
  if (!*image) return false;
  stage.state = WithConfig(*stage.state, **image);
  stage.image = **std::move(image);
  return true;
}

absl::StatusOr<bool> LoadDirectory(Conversion& c, StageState& stage, const NamedContext& context, const std::string& directory) {
  BK_TRY(std::vector<std::string> ignored, c.input.context->IgnorePatternsOf(directory, context.shown_name));
  const auto& opts = c.options.shared_keys;
  auto key = opts.find(context.shown_name);
  PendingDirectory pending;
  pending.promise = c.graph.Promise();
  pending.name = directory;
  pending.used_paths = stage.used_paths;
  pending.options.session_id = c.input.context->SessionOf(directory);
  pending.options.shared_key_hint = StrCat("context:", context.shown_name, "-", key == opts.end() ? "" : key->second);
  pending.options.exclude_patterns = std::move(ignored);
  pending.options.op.Name(StrCat("[context ", context.shown_name, "] load from client"));
  stage.state = llb::State(c.graph, pending.promise);
  c.pending_directories.push_back(std::move(pending));
  return false;
}

// One file by the name "context", whatever it is.
absl::StatusOr<bool> LoadDownload(Conversion& c, StageState& stage, const NamedContext& context) {
  llb::OpOptions options;
  options.caps.insert("source.http");
  options.Name(StrCat("[context ", context.shown_name, "] ", frontend::WithoutCredentials(context.input)));
  stage.state = llb::Source(c.graph, context.input, {{"http.filename", "context"}}, std::move(options));
  return false;
}

absl::StatusOr<bool> Load(Conversion& c, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform, int replacements) {
  if (replacements > kMaxReplacements) return InvalidArgument("context recursion limit exceeded; this may indicate a cycle in the provided source policies: ", context.input);
  size_t colon = context.input.find(':');
  if (colon == std::string::npos) return InvalidArgument("invalid context specifier ", context.input, " for ", context.shown_name);
  std::string kind = context.input.substr(0, colon), rest = context.input.substr(colon + 1);
  std::string reference = rest.starts_with("//") ? rest.substr(2) : rest;
  if (kind == "docker-image") return LoadImage(c, stage, context, platform, reference, replacements);
  if (kind == "oci-layout") return LoadOciLayout(c, stage, context, platform, reference);
  if (kind == "local") return LoadDirectory(c, stage, context, rest);
  if (kind == "input") return LoadInput(c, stage, context, rest);
  bool git_only = kind == "git" || kind.starts_with("git@");
  if (git_only || kind == "http" || kind == "https") {
    BK_TRY(std::optional<frontend::GitRequest> git, frontend::ParseGitRequest(context.input));
    if (!git && git_only) return InvalidArgument("invalid git context ", context.input);
    if (!git) return LoadDownload(c, stage, context);
    stage.state = frontend::GitContextState(c.graph, *git);
    return false;
  }
  return InvalidArgument("unsupported context source ", kind, " for ", context.shown_name);
}

}  // namespace

absl::StatusOr<std::optional<NamedContext>> FindNamedContext(const BuildOptions& options, const std::string& name, const Platform& platform) {
  if (options.named_contexts.empty() || EqualFold(name, "scratch") || EqualFold(name, "context")) return std::nullopt;
  return LookUpNamedContext(options, name, platform);
}

absl::StatusOr<std::optional<NamedContext>> LookUpNamedContext(const BuildOptions& options, const std::string& name, const Platform& platform) {
  auto ref = ImageReference::Parse(name);
  if (!ref.ok()) return Annotate(ref.status(), StrCat("invalid context name ", name));
  std::string familiar = ref->familiar();
  if (familiar.ends_with(":latest")) familiar.resize(familiar.size() - 7);
  for (const std::string& key : {StrCat(familiar, "::", FormatPlatformAll(NormalizePlatform(platform))), familiar}) {
    auto found = options.named_contexts.find(key);
    if (found != options.named_contexts.end()) return NamedContext{found->second, familiar, key};
  }
  return std::nullopt;
}

absl::StatusOr<bool> LoadNamedContext(Conversion& conversion, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform) {
  return Load(conversion, stage, context, platform, 0);
}

void BindNamedDirectories(Conversion& conversion) {
  for (PendingDirectory& pending : conversion.pending_directories) {
    pending.options.follow_paths = FollowPathsOf(*pending.used_paths);
    conversion.graph.Bind(pending.promise, llb::Local(conversion.graph, pending.name, std::move(pending.options)).output());
  }
}

}  // namespace bk::dockerfile
