// The named parts of an operation's identity: what is compared when its cache key is another one. Pure.
//
// Everything that the key holds has a part. Values that are long, or whose name says that they are secret, are kept as digests;
// secrets themselves are not in a definition.
#pragma once

#include "explain/record.pb.h"
#include "llb/ops.pb.h"

namespace bk::explain {

inline constexpr size_t kMaxParts = 256, kMaxValueBytes = 120;

// "exec", "file", "source", ….
std::string KindOf(const pb::Op& op);
void AddParts(const pb::Op& op, v1::Step& step);
// Environment, labels and the like: a name that tells of a password, key or token.
bool IsSecretName(std::string_view name);

}  // namespace bk::explain
