// The exports of a build: resolved before it starts, run at once when its result is there, a vertex each.
//
// Thread-safe (functions).
#pragma once

#include <memory>
#include <vector>

#include "daemon/llb/build.h"

namespace bk::llb {

using Exports = std::vector<std::unique_ptr<exporter::ExporterInstance>>;

// Unknown `exporter "X" could not be found`, or what the exporter says of its attributes.
absl::StatusOr<Exports> ResolveExports(const std::map<std::string, exporter::Exporter*>& exporters, const std::vector<ExportRequest>& requests);

// Responses of later exporters win over those of earlier ones. The first error ends the others. `warnings` are told at the
// first export, or at a vertex of their own.
absl::StatusOr<BuildResponse> RunExports(const CancelToken& cancel, const Exports& exports, const exporter::Result& result, const std::vector<std::string>& warnings, Build& build);

}  // namespace bk::llb
