// What a ref needs to fetch lazy content, taken from the builds an op works for.
#pragma once

#include "daemon/cache/ref.h"
#include "daemon/solver/op.h"

namespace bk::ops {

inline cache::FetchContext FetchOf(const solver::OpContext& context) { return {context.SessionIds(), context.Progress(), nullptr, context.Offline()}; }

}  // namespace bk::ops
