// The documents of a build's result: what clients look at long after its layers may have gone.
#pragma once

#include <set>

#include "control/control.pb.h"
#include "snapshotter/content/content_store.h"

namespace bk::history {

// Adds the blob, and what the manifest or index in it names: manifests, configs, attestations, no layers. Blobs that are not
// there are left out. Bounded: documents of 4 MiB, 1000 of them.
void AddDocuments(const content::ContentStore& content, const moby::buildkit::v1::Descriptor& root, std::set<Digest>& into);

}  // namespace bk::history
