#include "daemon/frontend/gateway/forwarder.h"

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/id.h"
#include "daemon/frontend/gateway/wire_stat.h"
#include "proto/llb/caps.h"
#include "proto/wire/status_codec.h"

namespace bk::frontend::gateway {
namespace {

constexpr std::chrono::milliseconds kRegisterWait(3000);

Platform FromWire(const pb::Platform& platform) {
  Platform out{platform.os(), platform.architecture(), platform.variant(), platform.osversion(), {}};
  for (const std::string& feature : platform.osfeatures()) out.os_features.push_back(feature);
  return out;
}

template <typename Caps>
void AddCapabilities(Caps* caps, std::span<const llb::Capability> table) {
  std::vector<std::string_view> ids;
  for (const llb::Capability& capability : table) {
    if (capability.built) ids.push_back(capability.id);
  }
  std::sort(ids.begin(), ids.end());
  for (std::string_view id : ids) {
    auto* cap = caps->Add();
    cap->set_id(std::string(id));
    cap->set_enabled(true);
    if (id == "solve.inlinereturn") cap->set_deprecated(true);
  }
}

std::shared_ptr<const pb::Definition> Share(const pb::Definition& definition) { return std::make_shared<const pb::Definition>(definition); }

// A missing message and an empty one are different things: only the former means "no definition".
absl::StatusOr<std::map<std::string, std::string>> DecodeExporterAttrs(const std::string& text) {
  std::map<std::string, std::string> attrs;
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_null()) return attrs;
  if (!json.is_object()) return Unknown("invalid exporter attributes");
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) return Unknown("invalid exporter attributes");
    BK_TRY(attrs[key], Base64Decode(value.get<std::string>()));
  }
  return attrs;
}

}  // namespace

absl::StatusOr<api::PongResponse> Forwarder::Ping() {
  api::PongResponse response;
  AddCapabilities(response.mutable_frontendapicaps(), llb::GatewayCapabilities());
  AddCapabilities(response.mutable_llbcaps(), llb::LlbCapabilities());
  for (const WorkerInfo& worker : bridge_.Workers()) {
    auto* record = response.add_workers();
    record->set_id(worker.id);
    for (const auto& [key, value] : worker.labels) (*record->mutable_labels())[key] = value;
    for (const Platform& platform : worker.platforms) {
      auto* out = record->add_platforms();
      out->set_os(platform.os);
      out->set_architecture(platform.architecture);
      out->set_variant(platform.variant);
    }
  }
  return response;
}

absl::StatusOr<api::SolveResponse> Forwarder::Solve(const CancelToken& cancel, const api::SolveRequest& request) {
  SolveRequest solve;
  if (request.has_definition()) solve.definition = Share(request.definition());
  solve.frontend = request.frontend();
  solve.frontend_opts = {request.frontendopt().begin(), request.frontendopt().end()};
  for (const auto& [name, definition] : request.frontendinputs()) solve.frontend_inputs[name] = Share(definition);
  for (const auto& entry : request.cacheimports()) {
    solve.cache_imports.push_back({entry.type(), {entry.attrs().begin(), entry.attrs().end()}});
  }
  solve.source_policies = {request.sourcepolicies().begin(), request.sourcepolicies().end()};
  solve.evaluate = request.evaluate();
  BK_TRY(Result result, bridge_.Solve(cancel, solve));

  if (result.is_map && !request.allowresultreturn()) return Unknown("solve did not return default result");
  api::SolveResponse response;
  FillResult(result, request.allowresultarrayref(), *response.mutable_result());
  std::string default_id;
  if (!result.is_map) {
    const api::Result& filled = response.result();
    default_id = request.allowresultarrayref() ? filled.ref().id() : filled.refdeprecated();
  }
  if (request.final()) {  // clients from before Return
    BK_TRY(auto metadata, DecodeExporterAttrs(request.exporterattr()));
    for (const auto& [key, value] : result.metadata) metadata[key] = value;
    Result final_result{result.ref, {}, false, std::move(metadata)};
    BK_RETURN_IF_ERROR(Finish(std::move(final_result)));
  }
  if (!request.allowresultreturn()) response.set_ref(default_id);
  return response;
}

void Forwarder::FillResult(const Result& result, bool as_refs, api::Result& out) {
  for (const auto& [key, value] : result.metadata) (*out.mutable_metadata())[key] = value;
  auto fill = [&](const RefPtr& ref, api::Ref& into) {
    into.set_id(KeepRef(ref));
    if (ref != nullptr) *into.mutable_def() = ref->definition();
  };
  if (!result.is_map) {
    if (as_refs) return fill(result.ref, *out.mutable_ref());
    out.set_refdeprecated(KeepRef(result.ref));
    return;
  }
  if (as_refs) {
    auto& refs = *out.mutable_refs()->mutable_refs();
    for (const auto& [key, ref] : result.refs) fill(ref, refs[key]);
    return;
  }
  auto& refs = *out.mutable_refsdeprecated()->mutable_refs();
  for (const auto& [key, ref] : result.refs) refs[key] = KeepRef(ref);
}

std::string Forwarder::KeepRef(const RefPtr& ref) {
  if (ref == nullptr) return "";
  std::string id = NewId();
  state_.With([&](State& s) { s.refs[id] = ref; });
  return id;
}

absl::StatusOr<RefPtr> Forwarder::FindRef(const std::string& id) {
  RefPtr ref = state_.With([&](State& s) {
    auto it = s.refs.find(id);
    return it == s.refs.end() ? nullptr : it->second;
  });
  if (ref == nullptr) return Unknown("no such ref: ", id);
  return ref;
}

absl::StatusOr<RefPtr> Forwarder::ReturnedRef(const std::string& id) {
  if (id.empty()) return RefPtr();
  auto ref = FindRef(id);
  if (!ref.ok()) return Unknown("return reference ", id, " not found");
  return ref;
}

absl::StatusOr<api::ResolveImageConfigResponse> Forwarder::ResolveImageConfig(const CancelToken& cancel, const api::ResolveImageConfigRequest& request) {
  Bridge::ResolveOptions options;
  if (request.has_platform()) options.platform = FromWire(request.platform());
  options.resolve_mode = request.resolvemode();
  options.log_name = request.logname();
  options.source_policies = {request.sourcepolicies().begin(), request.sourcepolicies().end()};
  bool is_layout = request.resolvertype() == 1;
  if (is_layout) {
    options.session_id = request.sessionid();
    options.store_id = request.storeid();
  }
  BK_TRY(Bridge::ImageConfig image, bridge_.ResolveImageConfig(cancel, is_layout ? StrCat("oci-layout://", request.ref()) : request.ref(), options));
  api::ResolveImageConfigResponse response;
  response.set_ref(image.ref);
  response.set_digest(image.digest);
  response.set_config(image.config);
  return response;
}

absl::StatusOr<api::ResolveSourceMetaResponse> Forwarder::ResolveSourceMeta(const CancelToken& cancel, const api::ResolveSourceMetaRequest& request) {
  if (!request.has_source()) return InvalidArgument("source is required");
  if (request.image().attestationchain() || request.image().resolveattestations_size() > 0) {
    return Unimplemented("attestation chains are not built yet");
  }
  Bridge::ResolveOptions options;
  if (request.has_platform()) options.platform = FromWire(request.platform());
  options.resolve_mode = request.resolvemode();
  options.log_name = request.logname();
  options.no_config = request.image().noconfig();
  options.source_policies = {request.sourcepolicies().begin(), request.sourcepolicies().end()};
  options.git_objects = request.git().returnobject();
  if (request.http().has_checksumrequest()) {
    const api::ChecksumRequest& asked = request.http().checksumrequest();
    static constexpr const char* kAlgorithms[] = {"sha256", "sha384", "sha512"};
    if (asked.algo() < 0 || asked.algo() > 2) return InvalidArgument("unsupported checksum algorithm ", static_cast<int>(asked.algo()));
    options.http_checksum = {kAlgorithms[asked.algo()], asked.suffix()};
  }
  BK_TRY(SourceMetadata metadata, bridge_.ResolveSourceMeta(cancel, request.source(), options));
  api::ResolveSourceMetaResponse response;
  response.mutable_source()->set_identifier(metadata.identifier);
  for (const auto& [key, value] : metadata.attrs) (*response.mutable_source()->mutable_attrs())[key] = value;
  if (!metadata.image_digest.empty()) {
    response.mutable_image()->set_digest(metadata.image_digest);
    response.mutable_image()->set_config(metadata.image_config);
  }
  if (metadata.http) {
    api::ResolveSourceHTTPResponse& http = *response.mutable_http();
    http.set_checksum(metadata.http->checksum);
    http.set_filename(metadata.http->filename);
    if (metadata.http->last_modified_s) http.mutable_lastmodified()->set_seconds(*metadata.http->last_modified_s);
    if (!metadata.http->requested_checksum.empty()) {
      http.mutable_checksumresponse()->set_digest(metadata.http->requested_checksum);
      http.mutable_checksumresponse()->set_suffix(request.http().checksumrequest().suffix());
    }
  }
  if (metadata.git) {
    api::ResolveSourceGitResponse& git = *response.mutable_git();
    git.set_checksum(metadata.git->checksum);
    git.set_ref(metadata.git->ref);
    git.set_commitchecksum(metadata.git->commit_checksum);
    git.set_commitobject(metadata.git->commit_object);
    git.set_tagobject(metadata.git->tag_object);
  }
  return response;
}

absl::StatusOr<api::ReadFileResponse> Forwarder::ReadFile(const CancelToken& cancel, const api::ReadFileRequest& request) {
  BK_TRY(RefPtr ref, FindRef(request.ref()));
  int64_t offset = request.has_range() ? request.range().offset() : 0;
  int64_t length = request.has_range() ? request.range().length() : -1;
  if (request.has_range() && (offset < 0 || length < 0)) return InvalidArgument("invalid file range ", offset, "+", length);
  api::ReadFileResponse response;
  BK_TRY(*response.mutable_data(), bridge_.ReadFile(cancel, *ref, request.filepath(), offset, length));
  return response;
}

absl::StatusOr<api::ReadDirResponse> Forwarder::ReadDir(const CancelToken& cancel, const api::ReadDirRequest& request) {
  BK_TRY(RefPtr ref, FindRef(request.ref()));
  BK_TRY(auto entries, bridge_.ReadDir(cancel, *ref, request.dirpath(), request.includepattern()));
  api::ReadDirResponse response;
  for (const FileStat& entry : entries) *response.add_entries() = ToWire(entry);
  return response;
}

absl::StatusOr<api::StatFileResponse> Forwarder::StatFile(const CancelToken& cancel, const api::StatFileRequest& request) {
  BK_TRY(RefPtr ref, FindRef(request.ref()));
  BK_TRY(FileStat stat, bridge_.StatFile(cancel, *ref, request.path()));
  api::StatFileResponse response;
  *response.mutable_stat() = ToWire(stat);
  return response;
}

absl::StatusOr<api::EvaluateResponse> Forwarder::Evaluate(const CancelToken& cancel, const api::EvaluateRequest& request) {
  BK_TRY(RefPtr ref, FindRef(request.ref()));
  BK_RETURN_IF_ERROR(ref->Evaluate(cancel));
  return api::EvaluateResponse();
}

absl::StatusOr<api::InputsResponse> Forwarder::GetInputs() {
  api::InputsResponse response;
  for (const auto& [name, definition] : inputs_) (*response.mutable_definitions())[name] = *definition;
  return response;
}

absl::StatusOr<api::WarnResponse> Forwarder::Warn(const api::WarnRequest& request) {
  solver::WarningEvent warning;
  warning.level = request.level() == 0 ? 1 : request.level();
  warning.short_text = request.short_();
  for (const std::string& line : request.detail()) warning.detail.push_back(line);
  warning.url = request.url();
  if (request.has_info()) warning.source_info = request.info().SerializeAsString();
  for (const pb::Range& range : request.ranges()) {
    warning.ranges.push_back({range.start().line(), range.start().character(), range.end().line(), range.end().character()});
  }
  auto digest = Digest::Parse(request.digest());
  BK_RETURN_IF_ERROR(bridge_.Warn(digest.ok() ? *digest : Digest(), warning));
  return api::WarnResponse();
}

absl::StatusOr<Result> Forwarder::ReadResult(const api::Result& result) {
  Result out;
  out.metadata = {result.metadata().begin(), result.metadata().end()};
  switch (result.result_case()) {
    case api::Result::kRefDeprecated: {
      BK_TRY(out.ref, ReturnedRef(result.refdeprecated()));
      break;
    }
    case api::Result::kRef: {
      BK_TRY(out.ref, ReturnedRef(result.ref().id()));
      break;
    }
    case api::Result::kRefsDeprecated:
      out.is_map = true;
      for (const auto& [key, id] : result.refsdeprecated().refs()) {
        BK_TRY(out.refs[key], ReturnedRef(id));
      }
      break;
    case api::Result::kRefs:
      out.is_map = true;
      for (const auto& [key, ref] : result.refs().refs()) {
        BK_TRY(out.refs[key], ReturnedRef(ref.id()));
      }
      break;
    case api::Result::RESULT_NOT_SET: break;
  }
  if (result.attestations_size() > 0) return Unimplemented("attestations of a frontend are not built yet");
  return out;
}

absl::StatusOr<api::ReturnResponse> Forwarder::Return(const api::ReturnRequest& request) {
  if (request.has_error()) {
    absl::Status error = wire::FromProto(request.error());
    BK_RETURN_IF_ERROR(Finish(error.ok() ? Unknown("frontend returned an error without a code") : error));
    return api::ReturnResponse();
  }
  if (!request.has_result()) return Unknown("gateway return must be either result or err");
  BK_TRY(Result result, ReadResult(request.result()));
  BK_RETURN_IF_ERROR(Finish(std::move(result)));
  return api::ReturnResponse();
}

absl::Status Forwarder::Finish(absl::StatusOr<Result> outcome) {
  return state_.Change([&](State& s) -> absl::Status {
    if (s.done) return Unknown("gateway result is already set");
    s.done = true;
    s.error = outcome.status();
    if (outcome.ok()) s.result = *std::move(outcome);
    return absl::OkStatus();
  });
}

absl::StatusOr<Result> Forwarder::Returned() {
  return state_.With([](const State& s) -> absl::StatusOr<Result> {
    if (!s.done) return Unknown("no result for incomplete build");
    if (!s.error.ok()) return s.error;
    return s.result;
  });
}

absl::StatusOr<Result> Forwarder::Wait(const CancelToken& cancel) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  return state_.WaitThen([&](State& s) { return s.done || cancel.cancelled(); },
                         [&](State& s) -> absl::StatusOr<Result> {
                           if (!s.done) return cancel.Check();
                           if (!s.error.ok()) return s.error;
                           return s.result;
                         });
}

Forwarder::Call::Call(std::shared_ptr<Forwarder> forwarder, const CancelToken& client)
    : forwarder_(std::move(forwarder)), cancel_(client), on_close_(forwarder_->closing_.token(), [this] { cancel_.Cancel(); }) {}

absl::StatusOr<std::unique_ptr<Forwarder::Call>> Forwarder::Call::Enter(std::shared_ptr<Forwarder> forwarder, const CancelToken& client) {
  bool entered = forwarder->state_.With([](State& s) {
    if (!s.closed) s.calls++;
    return !s.closed;
  });
  if (!entered) return NotFound("the build is over");
  return std::unique_ptr<Call>(new Call(std::move(forwarder), client));
}

Forwarder::Call::~Call() {
  forwarder_->state_.Change([](State& s) { s.calls--; });
}

void Forwarder::Close() {
  state_.With([](State& s) { s.closed = true; });
  closing_.Cancel();
  state_.Wait([](State& s) { return s.calls == 0; });
  // Refs and containers end with the build, whoever still holds this object.
  auto containers = state_.With([](State& s) { return std::exchange(s.containers, {}); });
  containers.clear();
  auto refs = state_.With([](State& s) { return std::exchange(s.refs, {}); });
  state_.With([](State& s) { s.result = Result(); });
}

void Forwarders::Register(const std::string& build_id, std::shared_ptr<Forwarder> forwarder) {
  builds_.Change([&](auto& builds) { builds[build_id] = std::move(forwarder); });
}

void Forwarders::Unregister(const std::string& build_id) {
  std::shared_ptr<Forwarder> last = builds_.Change([&](auto& builds) {
    auto node = builds.extract(build_id);
    return node.empty() ? nullptr : std::move(node.mapped());
  });
  if (last != nullptr) last->Close();  // outside the lock
}

absl::StatusOr<std::unique_ptr<Forwarder::Call>> Forwarders::Begin(const CancelToken& cancel, const std::string& build_id) {
  if (build_id.empty()) return Unknown("no buildid found in context");
  CancelCallback wake(cancel, [this] { builds_.Change([](auto&) {}); });
  builds_.WaitFor(kRegisterWait, [&](auto& builds) { return builds.contains(build_id) || cancel.cancelled(); });
  BK_RETURN_IF_ERROR(cancel.Check());
  auto found = builds_.With([&](auto& builds) {
    auto it = builds.find(build_id);
    return it == builds.end() ? nullptr : it->second;
  });
  if (found == nullptr) return NotFound("no such job ", build_id);
  auto call = Forwarder::Call::Enter(std::move(found), cancel);
  if (!call.ok()) return NotFound("no such job ", build_id);
  return call;
}

}  // namespace bk::frontend::gateway
