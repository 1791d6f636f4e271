// Lock files on their way to the daemon (docs/lock.md): as attributes that this project's daemons know, as a source policy
// for others, which can only pin.
//
// Pure functions.
#pragma once

#include <string>

#include "client/solve/options.h"
#include "proto/llb/source_lock.h"

namespace bk::client {

// Rules that put the locked value in the place of each source of the file and refuse every other one.
moby::buildkit::v1::sourcepolicy::Policy LockPolicy(const llb::SourceLock& lock);

// Of SolveRequest.FrontendAttrs.
void AddLockAttributes(const LockOptions& lock, Attributes& attrs);

// What can be done with a daemon that calls itself `package`: nothing to do for this project's; for others a lock file
// becomes part of the source policy. FailedPrecondition for what they cannot do.
absl::Status FitLockToDaemon(const std::string& package, SolveOptions& options);

}  // namespace bk::client
