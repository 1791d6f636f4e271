#include "daemon/ops/file_plan.h"

#include <algorithm>
#include <map>

namespace bk::ops {
namespace {

constexpr int64_t kNone = -1;

class Planner {
 public:
  Planner(const pb::FileOp& op, int inputs) : op_(op), inputs_(inputs), uses_(static_cast<size_t>(inputs + op.actions_size())), marks_(static_cast<size_t>(op.actions_size())) {}

  absl::StatusOr<FilePlan> Plan() {
    std::map<int64_t, int64_t> outputs;
    for (int i = 0; i < op_.actions_size(); i++) BK_RETURN_IF_ERROR(Count(i, outputs));
    if (outputs.empty()) return Unknown("no outputs specified");
    for (size_t i = 0; i < outputs.size(); i++) {
      auto it = outputs.find(static_cast<int64_t>(i));
      if (it == outputs.end()) return Unknown("missing output index ", i);
      plan_.outputs.push_back(it->second);
      BK_RETURN_IF_ERROR(Visit(static_cast<int>(it->second) - inputs_));
    }
    return std::move(plan_);
  }

 private:
  enum class Mark { kNew, kOpen, kDone };

  absl::Status Count(int i, std::map<int64_t, int64_t>& outputs) {
    const pb::FileAction& action = op_.actions(i);
    int64_t limit = inputs_ + op_.actions_size();
    if (action.input() < kNone || action.input() >= limit) return Unknown("invalid input index ", action.input(), ", ", limit, " provided");
    if (action.secondaryinput() < kNone || action.secondaryinput() >= limit) return Unknown("invalid secondary input index ", action.secondaryinput(), ", ", limit, " provided");
    for (int64_t used : {action.input(), action.secondaryinput()}) {
      if (used != kNone) uses_[static_cast<size_t>(used)]++;
    }
    if (const pb::ChownOpt* owner = OwnerOf(action)) {
      for (const pb::UserOpt* user : {&owner->user(), &owner->group()}) {
        if (user->has_byname() && (user->byname().input() < 0 || user->byname().input() >= limit)) return Unknown("invalid user index: ", user->byname().input());
      }
    }
    if (action.output() == kNone) return absl::OkStatus();
    if (!outputs.emplace(action.output(), inputs_ + i).second) return Unknown("duplicate output ", action.output());
    uses_[static_cast<size_t>(inputs_ + i)] = 2;  // an output is always committed
    return absl::OkStatus();
  }

  std::vector<int> NeedsOf(int i) const {
    const pb::FileAction& action = op_.actions(i);
    std::vector<int64_t> wanted{action.input(), action.secondaryinput()};
    if (const pb::ChownOpt* owner = OwnerOf(action)) {
      for (const pb::UserOpt* user : {&owner->user(), &owner->group()}) {
        if (user->has_byname()) wanted.push_back(user->byname().input());
      }
    }
    std::vector<int> needs;
    for (int64_t index : wanted) {
      if (index >= inputs_) needs.push_back(static_cast<int>(index) - inputs_);
    }
    return needs;
  }

  // Depth first without recursion: chains of actions may be long.
  absl::Status Visit(int start) {
    struct Frame {
      int action;
      std::vector<int> needs;
    };
    std::vector<Frame> stack;
    auto enter = [&](int i) -> absl::Status {
      Mark& mark = marks_[static_cast<size_t>(i)];
      if (mark == Mark::kOpen) return Unknown("loop from index ", inputs_ + i);
      if (mark == Mark::kDone) return absl::OkStatus();
      mark = Mark::kOpen;
      stack.push_back({i, NeedsOf(i)});
      return absl::OkStatus();
    };
    BK_RETURN_IF_ERROR(enter(start));
    while (!stack.empty()) {
      if (!stack.back().needs.empty()) {
        int next = stack.back().needs.front();
        stack.back().needs.erase(stack.back().needs.begin());
        BK_RETURN_IF_ERROR(enter(next));
        continue;
      }
      int done = stack.back().action;
      stack.pop_back();
      marks_[static_cast<size_t>(done)] = Mark::kDone;
      plan_.steps.push_back({done, uses_[static_cast<size_t>(inputs_ + done)] > 1});
    }
    return absl::OkStatus();
  }

  const pb::FileOp& op_;
  int inputs_;
  std::vector<int> uses_;
  std::vector<Mark> marks_;
  FilePlan plan_;
};

}  // namespace

const pb::ChownOpt* OwnerOf(const pb::FileAction& action) {
  switch (action.action_case()) {
    case pb::FileAction::kCopy: return action.copy().has_owner() ? &action.copy().owner() : nullptr;
    case pb::FileAction::kMkfile: return action.mkfile().has_owner() ? &action.mkfile().owner() : nullptr;
    case pb::FileAction::kMkdir: return action.mkdir().has_owner() ? &action.mkdir().owner() : nullptr;
    case pb::FileAction::kSymlink: return action.symlink().has_owner() ? &action.symlink().owner() : nullptr;
    default: return nullptr;
  }
}

absl::StatusOr<FilePlan> PlanActions(const pb::FileOp& op, int inputs) { return Planner(op, inputs).Plan(); }

}  // namespace bk::ops
