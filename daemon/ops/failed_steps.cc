#include "daemon/ops/failed_steps.h"

namespace bk::ops {

namespace {

class LeftStep final : public FailedStep {
 public:
  LeftStep(FailedSubject subject, std::vector<cache::ImmutablePtr> inputs, std::vector<LeftTree> left);
  FailedSubject subject() const override { return subject_; }
  const std::vector<cache::ImmutablePtr>& inputs() const override { return inputs_; }
  std::vector<std::string> MountIds() const override;
  absl::StatusOr<cache::ImmutablePtr> Mount(const CancelToken& cancel, size_t index) override;

 private:
  struct Left : LeftTree {
    std::string id;
    bool busy = false;
  };
  const FailedSubject subject_;
  const std::vector<cache::ImmutablePtr> inputs_;
  Guarded<std::vector<Left>> left_;
};

LeftStep::LeftStep(FailedSubject subject, std::vector<cache::ImmutablePtr> inputs, std::vector<LeftTree> left) : subject_(subject), inputs_(std::move(inputs)) {
  left_.With([&](std::vector<Left>& all) {
    for (LeftTree& one : left) {
      std::string id = one.written != nullptr ? one.written->Id() : one.tree != nullptr ? one.tree->Id() : "";
      all.push_back({std::move(one), std::move(id), false});
    }
  });
}

std::vector<std::string> LeftStep::MountIds() const {
  return left_.With([](const std::vector<Left>& left) {
    std::vector<std::string> ids;
    for (const Left& one : left) ids.push_back(one.id);
    return ids;
  });
}

absl::StatusOr<cache::ImmutablePtr> LeftStep::Mount(const CancelToken& cancel, size_t index) {
  auto written = left_.WaitThen([&](std::vector<Left>& left) { return !left.at(index).busy; },
                                [&](std::vector<Left>& left) {
                                  left[index].busy = left[index].written != nullptr;
                                  return std::move(left[index].written);
                                });
  absl::StatusOr<cache::ImmutablePtr> tree = nullptr;
  if (written != nullptr) tree = written->Commit(cancel);
  return left_.Change([&](std::vector<Left>& left) -> absl::StatusOr<cache::ImmutablePtr> {
    if (written != nullptr) left[index].busy = false;
    if (!tree.ok()) return tree.status();
    if (*tree != nullptr) left[index].tree = *tree;
    return left[index].tree;
  });
}

}  // namespace

FailedStepPtr MakeFailedStep(FailedSubject subject, std::vector<cache::ImmutablePtr> inputs, std::vector<LeftTree> left) {
  return std::make_shared<LeftStep>(subject, std::move(inputs), std::move(left));
}

FailedSteps::Entry::Entry(FailedSteps& of, Digest vertex, FailedStepPtr step) : of_(of), vertex_(std::move(vertex)), step_(std::move(step)) {
  of_.steps_.With([&](auto& steps) { steps[vertex_] = step_; });
}

FailedSteps::Entry::~Entry() {
  of_.steps_.With([&](auto& steps) {
    auto found = steps.find(vertex_);
    if (found != steps.end() && found->second == step_) steps.erase(found);
  });
  // Removing a tree takes time, and ops end on the solver's thread.
  of_.dropped_.Run([step = std::move(step_)] {});
}

FailedStepPtr FailedSteps::Find(const Digest& vertex) const {
  return steps_.With([&](const auto& steps) {
    auto found = steps.find(vertex);
    return found == steps.end() ? nullptr : found->second;
  });
}

}  // namespace bk::ops
