#include "tests/golden/layers/stack.h"

namespace bk::golden::layers {

absl::StatusOr<std::unique_ptr<Stack>> Stack::Make(const std::string& driver) {
  auto stack = std::make_unique<Stack>();
  BK_ASSIGN(stack->dir_, os::TempDir::Make("golden-layers-"));
  BK_ASSIGN(stack->choice_, snapshotter::MakeDriver(driver, stack->dir_.path() + "/snapshots"));
  return stack;
}

absl::Status Stack::Add(const std::function<absl::Status(const std::string& root)>& change) {
  snapshotter::SnapshotId id = next_++;
  BK_RETURN_IF_ERROR(driver().Prepare(CancelToken::Never(), id, chain_));
  {
    BK_TRY(os::TempMount mount, os::TempMount::Make(driver().WritableMounts(id, chain_), dir_.path()));
    BK_RETURN_IF_ERROR(change(mount.path()));
  }
  chain_.insert(chain_.begin(), id);
  return absl::OkStatus();
}

absl::Status Stack::Add(const Json& ops) {
  return Add([&](const std::string& root) { return RunOps(root, ops); });
}

}  // namespace bk::golden::layers
