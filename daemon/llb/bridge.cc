#include "daemon/llb/bridge.h"

#include "base/go_url.h"
#include "base/reference.h"
#include "daemon/llb/build_ref.h"
#include "daemon/llb/error_details.h"
#include "daemon/llb/source_check.h"

namespace bk::llb {
namespace {

// Every ref of this house's bridges is a BuildRef.
BuildRef& Own(frontend::Ref& ref) { return static_cast<BuildRef&>(ref); }

bool HasOps(const frontend::SolveRequest& request) { return request.definition != nullptr && !request.definition->def().empty(); }

absl::StatusOr<source::ImageResolveOptions::Mode> ModeOf(const std::string& text) {
  using Mode = source::ImageResolveOptions::Mode;
  if (text.empty() || text == "default") return Mode::kDefault;
  if (text == "pull") return Mode::kForcePull;
  if (text == "local") return Mode::kPreferLocal;
  return Unknown("invalid resolvemode: ", text);
}

template <typename F>
absl::Status ForEachRef(const frontend::Result& result, F f) {
  if (result.ref != nullptr) BK_RETURN_IF_ERROR(f(*result.ref));
  for (const auto& [key, ref] : result.refs) {
    if (ref != nullptr) BK_RETURN_IF_ERROR(f(*ref));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<frontend::Result> BuildBridge::RunFrontend(const CancelToken& cancel, const frontend::SolveRequest& request) {
  std::string name = request.frontend;
  auto opts = request.frontend_opts;
  std::string source = opts.contains("source") ? opts["source"] : "";
  bool named_context = opts.contains("context:dockerfile.v0") || opts.lower_bound("context:dockerfile.v0::") != opts.upper_bound("context:dockerfile.v0::\xff");
  if (name == "gateway.v0" && source == "dockerfile.v0" && !named_context) {  // the image of that name is built in
    name = source;
    source.clear();
    opts.erase("source");
  }
  auto found = build_.parts().frontends.find(name);
  if (found == build_.parts().frontends.end()) return Unknown("invalid frontend: ", name);
  auto result = found->second->Solve(cancel, *this, opts, request.frontend_inputs);
  if (!result.ok()) return WithFrontend(result.status(), name, source);
  return result;
}

absl::StatusOr<frontend::Result> BuildBridge::SolveRoot(const CancelToken& cancel, const frontend::SolveRequest& request) {
  for (const frontend::CacheImport& import : request.cache_imports) {
    build_.Notice(StrCat("importing cache of type ", import.type, " is not built yet: steps that this daemon does not know are run"));
  }
  build_.AwaitTurn(cancel);
  frontend::Result result;
  if (HasOps(request)) {
    if (!request.frontend.empty()) return Unknown("cannot solve with both Definition and Frontend specified");
    result.ref = std::make_shared<BuildRef>(build_, request.definition, request.source_policies);
  } else if (!request.frontend.empty()) {
    BK_ASSIGN(result, RunFrontend(cancel, request));
  }
  return result;
}

absl::StatusOr<frontend::Result> BuildBridge::Solve(const CancelToken& cancel, const frontend::SolveRequest& request) {
  auto result = SolveRoot(cancel, request);
  if (!result.ok()) return WithSolve(result.status(), nullptr);
  if (request.evaluate) BK_RETURN_IF_ERROR(ForEachRef(*result, [&](frontend::Ref& ref) { return ref.Evaluate(cancel); }));
  return result;
}

absl::StatusOr<std::string> BuildBridge::ReadFile(const CancelToken& cancel, frontend::Ref& ref, const std::string& path, int64_t offset, int64_t length) {
  BK_TRY(const MountedRef* mounted, Own(ref).Mounted(cancel));
  auto data = mounted->files().ReadFile(path, offset, length);
  if (!data.ok()) return Own(ref).Explain(data.status());
  return data;
}

absl::StatusOr<std::vector<frontend::FileStat>> BuildBridge::ReadDir(const CancelToken& cancel, frontend::Ref& ref, const std::string& path, const std::string& include_pattern) {
  BK_TRY(const MountedRef* mounted, Own(ref).Mounted(cancel));
  auto entries = mounted->files().ReadDir(cancel, path, include_pattern);
  if (!entries.ok()) return Own(ref).Explain(entries.status());
  return entries;
}

absl::StatusOr<frontend::FileStat> BuildBridge::StatFile(const CancelToken& cancel, frontend::Ref& ref, const std::string& path) {
  BK_TRY(const MountedRef* mounted, Own(ref).Mounted(cancel));
  return mounted->files().StatFile(path);
}

absl::StatusOr<source::ResolvedImage> BuildBridge::ResolveImage(const CancelToken& cancel, const std::string& identifier, const ResolveOptions& options) {
  BK_TRY(source::Source * source, build_.parts().sources->ForIdentifier(identifier));
  source::ImageResolveOptions resolve;
  resolve.platform = options.platform.value_or(build_.DefaultPlatform());
  BK_ASSIGN(resolve.mode, ModeOf(options.resolve_mode));
  resolve.need_config = !options.no_config;
  resolve.session_id = options.session_id;
  resolve.store_id = options.store_id;
  resolve.log_name = options.log_name.empty() ? StrCat("resolve image config for ", identifier) : options.log_name;
  const bool outside = IsOutside(identifier);
  if (outside && !build_.gate().Admit(identifier)) return PlaceholderImage(identifier, resolve.platform);
  absl::StatusOr<source::ResolvedImage> image = absl::UnknownError("not resolved");
  BK_RETURN_IF_ERROR(build_.job().InContext(resolve.log_name, identifier + FormatPlatformAll(resolve.platform), [&](solver::OpContext& context) {
    image = source->ResolveImage(cancel, build_.FetchFor(context), identifier, resolve);
    if (image.ok() && outside) build_.gate().Resolved(identifier, image->digest.str(), FormatPlatform(resolve.platform));
    if (image.ok() || !outside || !context.Offline() || cancel.cancelled()) return image.status();
    build_.gate().Missing(identifier, image.status());
    image = PlaceholderImage(identifier, resolve.platform);
    return absl::OkStatus();
  }));
  return image;
}

absl::Status BuildBridge::AskInGate(const pb::SourceOp& op, const std::string& log_name, const std::function<absl::StatusOr<std::string>(const cache::FetchContext&)>& ask) {
  const std::string& identifier = op.identifier();
  const bool outside = IsOutside(identifier);
  return build_.job().InContext(log_name.empty() ? "resolve image config for " + RedactCredentials(identifier) : log_name, op.SerializeAsString(), [&](solver::OpContext& context) {
    if (outside && !build_.gate().Admit(identifier)) return build_.gate().Verdict();
    absl::StatusOr<std::string> value = ask(build_.FetchFor(context));
    if (value.ok() && outside) build_.gate().Resolved(identifier, *value, "");
    if (!value.ok() && outside && context.Offline()) build_.gate().Missing(identifier, value.status());
    return value.status();
  });
}

absl::StatusOr<frontend::SourceMetadata::Http> BuildBridge::ResolveHttp(const CancelToken& cancel, const pb::SourceOp& op, const ResolveOptions& options) {
  BK_TRY(source::Source * source, build_.parts().sources->ForIdentifier(op.identifier()));
  std::optional<source::HttpChecksumRequest> checksum;
  if (options.http_checksum) checksum = {options.http_checksum->algorithm, options.http_checksum->suffix};
  source::SourceRequest request{op.identifier(), {op.attrs().begin(), op.attrs().end()}, build_.DefaultPlatform()};
  source::ResolvedHttp answer;
  BK_RETURN_IF_ERROR(AskInGate(op, options.log_name, [&](const cache::FetchContext& context) -> absl::StatusOr<std::string> {
    BK_ASSIGN(answer, source->ResolveHttp(cancel, context, request, checksum));
    return answer.digest.str();
  }));
  return frontend::SourceMetadata::Http{answer.digest.str(), answer.filename, answer.last_modified, answer.checksum.str()};
}

absl::StatusOr<frontend::SourceMetadata::Git> BuildBridge::ResolveGit(const CancelToken& cancel, const pb::SourceOp& op, const ResolveOptions& options) {
  BK_TRY(source::Source * source, build_.parts().sources->ForIdentifier(op.identifier()));
  source::SourceRequest request{op.identifier(), {op.attrs().begin(), op.attrs().end()}, build_.DefaultPlatform()};
  source::ResolvedGit answer;
  BK_RETURN_IF_ERROR(AskInGate(op, options.log_name, [&](const cache::FetchContext& context) -> absl::StatusOr<std::string> {
    BK_ASSIGN(answer, source->ResolveGit(cancel, context, request, options.git_objects));
    return answer.checksum;
  }));
  return frontend::SourceMetadata::Git{answer.checksum, answer.ref, answer.commit_checksum, answer.commit_object, answer.tag_object};
}

absl::StatusOr<frontend::Bridge::ImageConfig> BuildBridge::ResolveImageConfig(const CancelToken& cancel, const std::string& ref, const ResolveOptions& options) {
  constexpr std::string_view kLayout = "oci-layout://", kImage = "docker-image://";
  std::string_view name = ref;
  bool is_layout = name.starts_with(kLayout) || !options.store_id.empty();
  if (name.starts_with(kLayout)) name.remove_prefix(kLayout.size());
  if (name.starts_with(kImage)) name.remove_prefix(kImage.size());
  auto parsed = ImageReference::Parse(name);
  if (!parsed.ok()) return Annotate(parsed.status(), StrCat("could not parse reference ", Quote(name)));
  pb::SourceOp op;
  op.set_identifier(StrCat(is_layout ? kLayout : kImage, parsed->str()));
  if (!options.session_id.empty()) (*op.mutable_attrs())["oci.session"] = options.session_id;
  if (!options.store_id.empty()) (*op.mutable_attrs())["oci.store"] = options.store_id;
  auto answer = ResolveSourceMeta(cancel, op, options);
  if (!answer.ok()) return Annotate(answer.status(), StrCat("failed to resolve source metadata for ", parsed->str()));
  std::string_view resolved = answer->identifier;
  if (answer->image_digest.empty() && options.any_source) return ImageConfig{std::string(resolved), "", ""};
  if (answer->image_digest.empty()) return Unknown("ref mutated by policy to non-image: ", kImage, parsed->str(), " -> ", resolved);
  for (std::string_view scheme : {kImage, kLayout}) {
    if (resolved.starts_with(scheme)) resolved.remove_prefix(scheme.size());
  }
  return ImageConfig{std::string(resolved), answer->image_digest, std::move(answer->image_config)};
}

absl::StatusOr<frontend::SourceMetadata> BuildBridge::ResolveSourceMeta(const CancelToken& cancel, const pb::SourceOp& asked, const ResolveOptions& options) {
  BK_TRY(auto policy, build_.PolicyWith(options.source_policies));
  pb::SourceOp op = asked;
  if (absl::Status allowed = policy(op); !allowed.ok()) return Annotate(allowed, "could not resolve image due to policy");
  frontend::SourceMetadata out;
  out.identifier = op.identifier();
  out.attrs = {op.attrs().begin(), op.attrs().end()};
  std::string_view identifier = op.identifier();
  bool is_layout = identifier.starts_with("oci-layout://");
  if (is_layout || identifier.starts_with("docker-image://")) {
    ResolveOptions resolve = options;
    auto attr = [&](const char* key) { return out.attrs.contains(key) ? out.attrs[key] : std::string(); };
    if (is_layout && resolve.session_id.empty()) resolve.session_id = attr("oci.session");
    if (is_layout && resolve.store_id.empty()) resolve.store_id = attr("oci.store");
    BK_TRY(source::ResolvedImage image, ResolveImage(cancel, op.identifier(), resolve));
    out.image_digest = image.digest.str();
    out.image_config = std::move(image.config);
    return out;
  }
  BK_RETURN_IF_ERROR(build_.parts().sources->ForIdentifier(op.identifier()));
  if (identifier.starts_with("local://")) return out;
  if (identifier.starts_with("http://") || identifier.starts_with("https://")) {
    BK_ASSIGN(out.http, ResolveHttp(cancel, op, options));
    return out;
  }
  if (identifier.starts_with("git://")) {
    BK_ASSIGN(out.git, ResolveGit(cancel, op, options));
    return out;
  }
  return out;  // a blob is what its name says
}

absl::StatusOr<std::unique_ptr<frontend::Container>> BuildBridge::NewContainer(const CancelToken& cancel, const frontend::ContainerRequest& request) {
  if (build_.parts().containers == nullptr) return Unimplemented("container ", request.id, ": this daemon has no containers for frontends");
  frontend::ContainerOrder order{request, {}, build_.Fetch(), build_.entitlements().names};
  for (const frontend::ContainerMount& mount : request.mounts) {
    cache::ImmutablePtr& tree = order.trees.emplace_back();
    if (mount.ref != nullptr) {
      auto result = Own(*mount.ref).Result(cancel);
      if (!result.ok()) return Own(*mount.ref).Explain(result.status());
      tree = *std::move(result);
    } else if (!mount.result_id.empty()) {
      auto left = build_.FailedTree(cancel, mount.result_id);
      if (!left.ok()) return Annotate(left.status(), StrCat("failed to find ref ", mount.result_id, " for ", Quote(mount.mount.dest()), " mount"));
      tree = *std::move(left);
    }
  }
  return build_.parts().containers->Make(cancel, std::move(order));
}

void BuildBridge::Log(const std::string& vertex_name, const std::string& text) {
  build_.job()
      .InContext(vertex_name, "", [&](solver::OpContext& context) {
        context.Progress().Log(2, text);
        return absl::OkStatus();
      })
      .IgnoreError();
}

absl::Status BuildBridge::Warn(const Digest& vertex, const solver::WarningEvent& warning) {
  solver::WarningEvent event = warning;
  event.vertex = vertex;
  build_.job().Warn(event);
  return absl::OkStatus();
}

}  // namespace bk::llb
