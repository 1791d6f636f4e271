#include "sandbox/exec/deferred_executor.h"

namespace bk::exec {

DeferredExecutor::DeferredExecutor(Maker make)
    : maker_([this, make = std::move(make)] {
        auto made = make();
        state_.Change([&](State& state) {
          state.done = true;
          if (made.ok()) {
            state.made = *std::move(made);
          } else {
            state.failure = made.status();
          }
        });
      }) {}

DeferredExecutor::~DeferredExecutor() { maker_.join(); }

absl::Status DeferredExecutor::Ready() {
  return state_.WaitThen([](const State& state) { return state.done; }, [](const State& state) { return state.failure; });
}

absl::StatusOr<StepExit> DeferredExecutor::Run(const CancelToken& cancel, const std::string& id, const std::vector<os::Mount>& root, const std::vector<StepMount>& mounts,
                                               const ProcessSpec& process, const Stdio& stdio) {
  BK_RETURN_IF_ERROR(Ready());
  Executor* made = state_.With([](State& state) { return state.made.get(); });
  return made->Run(cancel, id, root, mounts, process, stdio);
}

absl::StatusOr<StepExit> DeferredExecutor::Exec(const CancelToken& cancel, const std::string& id, const ProcessSpec& process, const Stdio& stdio) {
  BK_RETURN_IF_ERROR(Ready());
  Executor* made = state_.With([](State& state) { return state.made.get(); });
  return made->Exec(cancel, id, process, stdio);
}

}  // namespace bk::exec
