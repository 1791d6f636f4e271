// Cache maps for the solver: a MapPlan with functions that reach into the inputs' trees.
#pragma once

#include "daemon/ops/map/map_plan.h"
#include "daemon/solver/op.h"

namespace bk::ops {

// Content functions go to cache::Checksum, preprocessing to ImmutableRef::Extract. `worker_id` names refs in errors.
solver::CacheMap MakeCacheMap(const MapPlan& plan, const std::string& worker_id = "");

}  // namespace bk::ops
