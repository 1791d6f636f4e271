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

// Trees by the op's mounts.
class FailedStep {
 public:
  virtual ~FailedStep() = default;
  // What it worked on; null: nothing.
  virtual const std::vector<cache::ImmutablePtr>& inputs() const = 0;
  // Names of the trees after the step; "" for none. Where the step wrote nothing it is the input's.
  virtual std::vector<std::string> MountIds() const = 0;
  // The tree that mount `index` shows after the step.
  virtual absl::StatusOr<cache::ImmutablePtr> Mount(const CancelToken& cancel, size_t index) = 0;
};
using FailedStepPtr = std::shared_ptr<FailedStep>;
// `written`: what the step may have changed, by mount; null: nothing.
FailedStepPtr MakeFailedStep(std::vector<cache::ImmutablePtr> inputs, std::vector<cache::MutablePtr> written);

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

 private:
  Guarded<std::map<Digest, FailedStepPtr>> steps_;
  TaskGroup dropped_;
};

}  // namespace bk::ops
