#include "daemon/llb/build_ref.h"

#include "daemon/llb/error_details.h"
#include "daemon/llb/source_check.h"
#include "daemon/ops/result.h"

namespace bk::llb {

absl::StatusOr<LoadedDefinition> BuildRef::Load(const CancelToken& cancel) const {
  LoadOptions options;
  options.default_platform = build_.DefaultPlatform();
  options.entitlements = build_.entitlements();
  options.devices = build_.parts().devices;
  options.ops = build_.parts().ops;
  BK_ASSIGN(options.source_policy, build_.PolicyWith(policies_));
  auto loaded = LoadDefinition(cancel, *definition_, options);
  return loaded.ok() ? std::move(loaded) : Annotate(loaded.status(), "failed to load LLB");
}

absl::Status BuildRef::Check(const CancelToken& cancel) {
  BK_TRY(LoadedDefinition loaded, Load(cancel));
  return CheckSources(cancel, build_, loaded);
}

absl::StatusOr<cache::ImmutablePtr> BuildRef::Compute(const CancelToken& cancel) {
  auto loaded = Load(cancel);
  BK_RETURN_IF_ERROR(loaded.status());
  BK_RETURN_IF_ERROR(CheckSources(cancel, build_, *loaded));
  if (build_.gate().HasProblems() && !IsHarmless(*loaded)) return build_.gate().Verdict();
  // A step that ignores the cache finds its cache mounts empty.
  for (const auto& [id, on_input] : loaded->pruned_cache_ids) BK_RETURN_IF_ERROR(build_.parts().ops->DropCacheMounts(cancel, id, on_input));
  build_.steps().Loaded(*loaded);
  auto result = build_.job().Build(cancel, loaded->root);
  RecordSources(build_, *loaded);
  if (result.ok()) return ops::RefOf(*result);
  auto failed = std::make_shared<const LoadedDefinition>(*std::move(loaded));
  absl::Status status = WithSources(result.status(), *definition_, *failed);
  auto vertex = Digest::Parse(FailedVertex(status));
  SolveIds ids = vertex.ok() ? build_.KeepFailed(*vertex) : SolveIds();
  state_.With([&](State& s) {
    s.loaded = failed;
    s.failed = std::move(ids);
  });
  return status;
}

absl::StatusOr<cache::ImmutablePtr> BuildRef::Result(const CancelToken& cancel) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  bool mine = state_.WaitThen([&](State& s) { return s.done || !s.running || cancel.cancelled(); },
                              [](State& s) { return s.done || s.running ? false : (s.running = true); });
  if (mine) {
    auto result = Compute(cancel);
    bool abandoned = !result.ok() && cancel.cancelled();  // not the ref's fault: the next caller tries again
    state_.Change([&](State& s) {
      s.running = false;
      s.done = !abandoned;
      if (s.done) s.result = result;
    });
    return result;
  }
  return state_.With([&](State& s) -> absl::StatusOr<cache::ImmutablePtr> {
    if (!s.done) return cancel.Check();
    return s.result;
  });
}

absl::Status BuildRef::Explain(absl::Status status) const {
  auto [loaded, failed] = state_.With([](const State& s) { return std::pair(s.loaded, s.failed); });
  return WithSolve(std::move(status), loaded.get(), failed);
}

absl::Status BuildRef::Evaluate(const CancelToken& cancel) {
  auto result = Result(cancel);
  return result.ok() ? absl::OkStatus() : Explain(result.status());
}

absl::StatusOr<const MountedRef*> BuildRef::Mounted(const CancelToken& cancel) {
  auto known = [this] { return state_.With([](State& s) -> const MountedRef* { return s.mounted.get(); }); };
  if (const MountedRef* mounted = known()) return mounted;
  auto result = Result(cancel);
  if (!result.ok()) return Explain(result.status());
  auto made = MountedRef::Make(cancel, *result, build_.Fetch());
  if (!made.ok()) return Explain(made.status());
  // Two at once: the first one stays.
  state_.With([&](State& s) {
    if (s.mounted == nullptr) s.mounted = *std::move(made);
  });
  return known();
}

}  // namespace bk::llb
