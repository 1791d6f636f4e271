// Sources of a definition against what the build allows them to be, before any of its steps runs.
//
// Thread-safe (functions); blocks on the sources.
#pragma once

#include "daemon/llb/build.h"
#include "daemon/llb/load/vertex_load.h"

namespace bk::llb {

// Asks every source from the outside what it is, all at once, and notes with the build's gate what is missing or differs
// from the lock file. Without connections each one is brought in as well: that proves that it is here. Nothing happens for
// builds without a lock file that may connect. An error only if a source cannot be asked.
absl::Status CheckSources(const CancelToken& cancel, Build& build, const LoadedDefinition& loaded);

// Whether the definition may be computed although the build has problems: it only brings in what the client has.
bool IsHarmless(const LoadedDefinition& loaded);

// Tells the gate what the sources of a computed definition resolved to.
void RecordSources(Build& build, const LoadedDefinition& loaded);

// Refuses what a build without connections cannot do: pushes, remote caches. FailedPrecondition.
absl::Status CheckOffline(const BuildRequest& request);

// What a frontend gets for an image that the gate turned away, so that it goes on and all problems are found.
source::ResolvedImage PlaceholderImage(const std::string& identifier, const Platform& platform);

}  // namespace bk::llb
