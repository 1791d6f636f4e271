// The file op: runs its planned actions on mounted trees (file/actions.h) and commits what is asked for.
#include "daemon/ops/build_error.h"
#include "daemon/ops/cache_map.h"
#include "daemon/ops/fetch_context.h"
#include "daemon/ops/file/actions.h"
#include "daemon/ops/file/owner.h"
#include "daemon/ops/file_plan.h"
#include "daemon/ops/op_base.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

// A tree as actions see it: mounted, with an open root. Members end in reverse: root, mount, snapshot.
struct MountedTree {
  cache::MutablePtr writable;  // null: read-only
  std::unique_ptr<cache::ActiveMount> active;
  os::TempMount mount;
  std::optional<os::RootDir> root;

  cache::MutablePtr Unmounted() {
    root.reset();
    mount = os::TempMount();
    active.reset();
    return std::move(writable);
  }
};
using TreePtr = std::shared_ptr<MountedTree>;

// One execution. What an index stands for is a ref, or a writable tree that only one more action wants.
class FileRun {
 public:
  FileRun(const CancelToken& cancel, const cache::FetchContext& fetch, cache::CacheManager& cache, const pb::FileOp& op, const std::string& name)
      : cancel_(cancel), fetch_(fetch), cache_(cache), op_(op), name_(name.empty() ? "fileop target" : name) {}

  absl::StatusOr<std::vector<solver::ResultPtr>> Run(const std::vector<solver::ResultPtr>& inputs) {
    inputs_ = inputs.size();
    BK_TRY(FilePlan plan, PlanActions(op_, static_cast<int>(inputs_)));
    slots_.resize(inputs_ + static_cast<size_t>(op_.actions_size()));
    for (size_t i = 0; i < inputs_; i++) slots_[i].ref = RefOf(inputs[i]);
    for (const FilePlan::Step& step : plan.steps) {
      absl::Status done = RunStep(step);
      if (!done.ok()) failed_ = step.action;
      BK_RETURN_IF_ERROR(done);
    }
    std::vector<solver::ResultPtr> results;
    for (int64_t index : plan.outputs) results.push_back(std::make_shared<RefResult>(slots_[static_cast<size_t>(index)].ref));
    return results;
  }

  // What the action that failed worked on; null: none did. Ends the run.
  FailedStepPtr Failed() {
    if (failed_ < 0) return nullptr;
    std::vector<cache::ImmutablePtr> inputs;
    for (size_t i = 0; i < inputs_; i++) inputs.push_back(slots_[i].ref);
    std::vector<LeftTree> left(static_cast<size_t>(op_.actions_size()));
    size_t action = static_cast<size_t>(failed_);
    int64_t second = op_.actions(failed_).secondaryinput();
    if (second >= static_cast<int64_t>(inputs_)) {
      Slot& slot = slots_[static_cast<size_t>(second)];
      LeftTree& source = left[static_cast<size_t>(second) - inputs_];
      source.tree = slot.ref;
      if (slot.tree != nullptr) source.written = slot.tree->Unmounted();
    }
    if (changing_ != nullptr) left[action].written = changing_->Unmounted();
    return MakeFailedStep({FailedSubject::Kind::kFileAction, action}, std::move(inputs), std::move(left));
  }

 private:
  struct Slot {
    cache::ImmutablePtr ref;
    TreePtr tree;
    bool handed_on = false;  // the tree became another action's
  };

  absl::StatusOr<TreePtr> Open(const cache::Mountable& what, bool readonly, TreePtr tree) {
    BK_ASSIGN(tree->active, what.Mount(cancel_, fetch_, readonly));
    BK_ASSIGN(tree->mount, os::TempMount::Make(tree->active->mounts()));
    BK_TRY(os::RootDir root, os::RootDir::Open(tree->mount.path()));
    tree->root.emplace(std::move(root));
    return tree;
  }

  absl::StatusOr<TreePtr> Writable(int64_t index) {
    cache::ImmutablePtr parent;
    if (index >= 0) {
      Slot& slot = slots_[static_cast<size_t>(index)];
      if (slot.tree != nullptr) {
        slot.handed_on = true;
        return std::exchange(slot.tree, nullptr);
      }
      parent = slot.ref;
    }
    auto tree = std::make_shared<MountedTree>();
    BK_ASSIGN(tree->writable, cache_.New(cancel_, fetch_, parent, {name_}));
    const cache::MutableRef& ref = *tree->writable;
    return Open(ref, false, std::move(tree));
  }

  // Null for no index or an empty tree.
  absl::StatusOr<TreePtr> Readable(int64_t index) {
    if (index < 0) return TreePtr();
    const Slot& slot = slots_[static_cast<size_t>(index)];
    if (slot.tree != nullptr) return slot.tree;
    if (slot.handed_on) return Unknown("invalid user index: ", index, ": its tree was changed by another action");
    if (slot.ref == nullptr) return TreePtr();
    return Open(*slot.ref, true, std::make_shared<MountedTree>());
  }

  // An empty tree, for a copy from nothing.
  absl::StatusOr<TreePtr> Empty() {
    auto tree = std::make_shared<MountedTree>();
    BK_ASSIGN(tree->mount, os::TempMount::Make({}));
    BK_TRY(os::RootDir root, os::RootDir::Open(tree->mount.path()));
    tree->root.emplace(std::move(root));
    return tree;
  }

  absl::StatusOr<std::optional<file::Owner>> Owner(const pb::FileAction& action) {
    const pb::ChownOpt* option = OwnerOf(action);
    TreePtr user, group;
    if (option != nullptr && option->user().has_byname()) BK_ASSIGN(user, NamesOf(option->user()));
    if (option != nullptr && option->group().has_byname()) BK_ASSIGN(group, NamesOf(option->group()));
    return file::ResolveOwner(option, user == nullptr ? nullptr : &*user->root, group == nullptr ? nullptr : &*group->root);
  }

  absl::StatusOr<TreePtr> NamesOf(const pb::UserOpt& user) {
    BK_TRY(TreePtr tree, Readable(user.byname().input()));
    return tree != nullptr ? absl::StatusOr<TreePtr>(tree) : Empty();
  }

  absl::Status RunStep(const FilePlan::Step& step) {
    BK_RETURN_IF_ERROR(cancel_.Check());
    const pb::FileAction& action = op_.actions(step.action);
    BK_TRY(TreePtr source, action.has_copy() ? Readable(action.secondaryinput()) : absl::StatusOr<TreePtr>(TreePtr()));
    if (action.has_copy() && source == nullptr) BK_ASSIGN(source, Empty());
    // Names may come from the tree that the action is about to change.
    BK_TRY(auto owner, Owner(action));
    BK_TRY(TreePtr tree, Writable(action.input()));
    changing_ = tree;
    BK_RETURN_IF_ERROR(Act(action, *tree->root, source == nullptr ? nullptr : &*source->root, owner));
    changing_ = nullptr;
    Slot& slot = slots_[inputs_ + static_cast<size_t>(step.action)];
    if (!step.commit) {
      slot.tree = std::move(tree);
      return absl::OkStatus();
    }
    cache::MutablePtr writable = std::move(tree->writable);
    tree->root.reset();
    tree.reset();  // unmounts
    BK_ASSIGN(slot.ref, writable->Commit(cancel_));
    return absl::OkStatus();
  }

  absl::Status Act(const pb::FileAction& action, const os::RootDir& root, const os::RootDir* source, const std::optional<file::Owner>& owner) {
    switch (action.action_case()) {
      case pb::FileAction::kMkdir: return file::MakeDirectory(root, action.mkdir(), owner);
      case pb::FileAction::kMkfile: return file::MakeFile(root, action.mkfile(), owner);
      case pb::FileAction::kSymlink: return file::MakeSymlink(root, action.symlink(), owner);
      case pb::FileAction::kRm: return file::Remove(cancel_, root, action.rm());
      case pb::FileAction::kCopy: return file::Copy(cancel_, *source, root, action.copy(), owner);
      case pb::FileAction::ACTION_NOT_SET: break;
    }
    return Unknown("invalid action type <nil>");
  }

  const CancelToken& cancel_;
  const cache::FetchContext& fetch_;
  cache::CacheManager& cache_;
  const pb::FileOp& op_;
  const std::string name_;
  size_t inputs_ = 0;
  std::vector<Slot> slots_;
  int failed_ = -1;   // action
  TreePtr changing_;  // by the action that runs
};

class FileOp : public OpBase {
 public:
  FileOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override {
    BK_TRY(MapPlan plan, PlanFile(request_.op->file(), inputs()));
    return MakeCacheMap(plan, ForMap());
  }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext& context, const std::vector<solver::ResultPtr>& inputs) override {
    cache::FetchContext fetch = FetchOf(context);
    FileRun run(cancel, fetch, *parts_.cache, request_.op->file(), request_.name);
    auto results = run.Run(inputs);
    if (results.ok()) return results;
    if (auto failed = run.Failed(); failed != nullptr && !cancel.cancelled()) failures_->Keep(*parts_.failed_steps, context.Progress().vertex(), std::move(failed));
    return BuildError(results.status());
  }

  absl::StatusOr<Permit> Acquire(const CancelToken& cancel) override { return AcquireSlot(cancel); }
};

}  // namespace

absl::StatusOr<OpPtr> MakeFileOp(const SharedParts& parts, const OpRequest& request) {
  if (request.op->file().actions_size() == 0) return InvalidArgument("invalid file op with no actions");
  return std::make_unique<FileOp>(parts, request);
}

}  // namespace bk::ops
