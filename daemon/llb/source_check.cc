#include "daemon/llb/source_check.h"

#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/semaphore.h"
#include "base/task_group.h"

namespace bk::llb {
namespace {

constexpr int64_t kAtATime = 16;

struct Question {
  std::string identifier;
  source::SourceRequest request;
};

std::vector<Question> Questions(SourceGate& gate, const LoadedDefinition& loaded) {
  std::vector<Question> out;
  for (const auto& [digest, loaded_op] : loaded.ops) {
    if (!loaded_op.op->has_source() || !IsOutside(loaded_op.op->source().identifier())) continue;
    const pb::SourceOp& op = loaded_op.op->source();
    if (!gate.Begin(digest) || !gate.Admit(op.identifier())) continue;
    const pb::Platform& p = loaded_op.op->platform();
    Platform platform{p.os(), p.architecture(), p.variant(), p.osversion(), {p.osfeatures().begin(), p.osfeatures().end()}};
    out.push_back({op.identifier(), {op.identifier(), {op.attrs().begin(), op.attrs().end()}, std::move(platform)}});
  }
  return out;
}

std::string PlatformText(const std::string& identifier, const Platform& platform) { return identifier.starts_with("docker-image://") ? FormatPlatform(platform) : ""; }

// OK if nothing of the tree would have to be fetched.
absl::Status IsWhole(const CancelToken& cancel, const cache::FetchContext& context, const cache::ImmutablePtr& ref) {
  if (ref == nullptr) return absl::OkStatus();
  for (const cache::ImmutablePtr& one : ref->LayerChain()) {
    if (!one->IsLazy()) continue;
    BK_TRY(std::vector<cache::Layer> layers, one->Layers(cancel, context, {}, false));
    if (!layers.empty() && layers.back().fetch != nullptr) return NotFound("layer ", layers.back().descriptor.digest.str(), " was never fetched");
  }
  return absl::OkStatus();
}

// The value; online as frontends are told, so that the build gets what was judged.
absl::StatusOr<std::string> Ask(const CancelToken& cancel, const cache::FetchContext& context, source::Source& source, const Question& question, SourceGate& gate) {
  if (!context.offline && question.identifier.starts_with("http")) {
    BK_TRY(source::ResolvedHttp answer, source.ResolveHttp(cancel, context, question.request, std::nullopt));
    return answer.digest.str();
  }
  BK_TRY(auto instance, source.Resolve(question.request));
  BK_TRY(source::SourceKey key, instance->CacheKey(cancel, context, 0));
  if (!context.offline) return key.pin;
  BK_TRY(cache::ImmutablePtr ref, instance->Snapshot(cancel, context));
  BK_RETURN_IF_ERROR(IsWhole(cancel, context, ref));
  gate.Hold(std::move(ref));
  return key.pin;
}

absl::Status Answer(const CancelToken& cancel, const cache::FetchContext& context, Build& build, const Question& question) {
  BK_TRY(source::Source * source, build.parts().sources->ForIdentifier(question.identifier));
  auto value = Ask(cancel, context, *source, question, build.gate());
  BK_RETURN_IF_ERROR(cancel.Check());
  if (value.ok()) {
    build.gate().Resolved(question.identifier, *value, PlatformText(question.identifier, question.request.platform));
    return absl::OkStatus();
  }
  if (!context.offline) return value.status();
  build.gate().Missing(question.identifier, value.status());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSources(const CancelToken& cancel, Build& build, const LoadedDefinition& loaded) {
  if (!build.gate().rules().active()) return absl::OkStatus();
  std::vector<Question> questions = Questions(build.gate(), loaded);
  if (questions.empty()) return absl::OkStatus();
  const char* name = build.gate().rules().lock ? "[internal] check sources against the lock file" : "[internal] check that sources are on this machine";
  return build.job().InContext(name, StrCat(name, questions[0].identifier, questions.size()), [&](solver::OpContext& vertex) {
    const cache::FetchContext context = build.FetchFor(vertex);
    CancelSource both(cancel);
    Guarded<absl::Status> first_error;
    Semaphore slots(kAtATime);
    TaskGroup tasks;
    for (const Question& question : questions) {
      auto slot = slots.Acquire(both.token());
      if (!slot.ok()) break;
      tasks.Run([&, slot = std::make_shared<Permit>(*std::move(slot))] {
        absl::Status status = Answer(both.token(), context, build, question);
        if (status.ok()) return;
        first_error.With([&](absl::Status& s) { s = s.ok() ? status : s; });
        both.Cancel();
      });
    }
    tasks.Wait();
    BK_RETURN_IF_ERROR(first_error.With([](absl::Status& s) { return s; }));
    return cancel.Check();
  });
}

bool IsHarmless(const LoadedDefinition& loaded) {
  for (const auto& [digest, loaded_op] : loaded.ops) {
    if (loaded_op.op->has_exec() || (loaded_op.op->has_source() && IsOutside(loaded_op.op->source().identifier()))) return false;
  }
  return true;
}

void RecordSources(Build& build, const LoadedDefinition& loaded) {
  const auto pins = build.job().Pins();
  for (const auto& [digest, loaded_op] : loaded.ops) {
    if (!loaded_op.op->has_source() || !IsOutside(loaded_op.op->source().identifier())) continue;
    auto vertex = Digest::Parse(digest);
    auto found = vertex.ok() ? pins.find(*vertex) : pins.end();
    if (found == pins.end() || found->second.empty()) continue;
    const pb::Platform& p = loaded_op.op->platform();
    const std::string& identifier = loaded_op.op->source().identifier();
    build.gate().Resolved(identifier, found->second[0], PlatformText(identifier, {p.os(), p.architecture(), p.variant(), p.osversion(), {}}));
  }
}

absl::Status CheckOffline(const BuildRequest& request) {
  for (const ExportRequest& exporter : request.exporters) {
    auto push = exporter.attrs.find("push");
    if (push != exporter.attrs.end() && (push->second.empty() || ParseBool(push->second).value_or(false))) {
      return cache::Offline(StrCat("exporter ", exporter.type, " cannot push (leave out push, or --offline)"));
    }
  }
  for (const auto* entries : {&request.cache_imports, &request.cache_exports}) {
    for (const frontend::CacheImport& entry : *entries) {
      if (entry.type != "local" && entry.type != "inline") return cache::Offline(StrCat("a cache of type ", entry.type, " cannot be reached (leave it out, or --offline)"));
    }
  }
  return absl::OkStatus();
}

source::ResolvedImage PlaceholderImage(const std::string& identifier, const Platform& platform) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("architecture");
  w.String(platform.architecture);
  w.Key("os");
  w.String(platform.os);
  w.Key("rootfs");
  w.Raw(R"({"type":"layers","diff_ids":[]})");
  w.EndObject();
  return {identifier, DigestOf("turned away: " + identifier), w.Take()};
}

}  // namespace bk::llb
