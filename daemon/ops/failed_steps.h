// What steps that failed worked on and left behind, for those who want to look into it: containers of frontends (DFE-120).
//
// Kept by the failed op, thus as long as a build wants its vertex, and by who found it. What a step wrote is made a tree
// that can be mounted when somebody asks for it: most failed builds leave nothing in the cache. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/digest.h"
#include "base/guarded.h"
#include "base/task_group.h"
#include "daemon/cache/ref.h"

namespace bk::ops {

// What of the op failed.
struct FailedSubject {
  enum class Kind { kStep, kFileAction, kContentKey } kind = Kind::kStep;
  size_t index = 0;  // of the action, or of the input whose content was to be the key
};

// Trees by the mounts of an exec, by the inputs and actions of a file op, or the one input of a key.
class FailedStep {
 public:
  virtual ~FailedStep() = default;
  virtual FailedSubject subject() const = 0;
  // What it worked on; null: nothing.
  virtual const std::vector<cache::ImmutablePtr>& inputs() const = 0;
  // Names of the trees after the step; "" for none. Where a mount was not written to it is the input's.
  virtual std::vector<std::string> MountIds() const = 0;
  // The tree that mount (or action) `index` shows after the step.
  virtual absl::StatusOr<cache::ImmutablePtr> Mount(const CancelToken& cancel, size_t index) = 0;
};
using FailedStepPtr = std::shared_ptr<FailedStep>;
// A mount after the step: what was written there or, if that is null, `tree` (null: nothing).
struct LeftTree {
  cache::MutablePtr written;
  cache::ImmutablePtr tree;
};
FailedStepPtr MakeFailedStep(FailedSubject subject, std::vector<cache::ImmutablePtr> inputs, std::vector<LeftTree> left);

class FailedSteps {
 public:
  // Found under `vertex` until the entry ends, or another one of the same vertex begins.
  class Entry {
   public:
    Entry(FailedSteps& of, Digest vertex, FailedStepPtr step);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    FailedSteps& of_;
    const Digest vertex_;
    FailedStepPtr step_;
  };
  FailedStepPtr Find(const Digest& vertex) const;
  // The last failure of one op.
  class Slot {
   public:
    void Keep(FailedSteps& of, const Digest& vertex, FailedStepPtr step) {
      entry_.With([&](auto& entry) { entry = std::make_unique<Entry>(of, vertex, std::move(step)); });
    }

   private:
    Guarded<std::unique_ptr<Entry>> entry_;
  };

 private:
  Guarded<std::map<Digest, FailedStepPtr>> steps_;
  TaskGroup dropped_;
};

}  // namespace bk::ops
