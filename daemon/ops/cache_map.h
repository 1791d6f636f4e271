// Cache maps for the solver: a MapPlan with functions that reach into the inputs' trees.
#pragma once

#include "daemon/ops/failed_steps.h"
#include "daemon/ops/map/map_plan.h"
#include "daemon/solver/op.h"

namespace bk::ops {

// What content functions need for their errors.
struct MapParts {
  std::string worker_id;                // names refs
  FailedSteps* failed_steps = nullptr;  // keeps the tree that could not be read; null: nobody asks
  std::shared_ptr<FailedSteps::Slot> failures;
};

// Content functions go to cache::Checksum, preprocessing to ImmutableRef::Extract.
solver::CacheMap MakeCacheMap(const MapPlan& plan, const MapParts& parts = {});

}  // namespace bk::ops
