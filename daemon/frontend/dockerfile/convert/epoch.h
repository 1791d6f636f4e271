// SOURCE_DATE_EPOCH: the time that a build's files and history are given, as seconds or from a source (DFE-064).
//
// "context" means the build context, another word a named context or a stage of one ADD: a repository has its committer's
// time, a URL its Last-Modified or else its archive's newest file. What a client sends has none.
// Reference: frontend/dockerfile/dockerfile2llb/epoch.go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"

namespace bk::dockerfile {

struct Conversion;

struct Epoch {
  int64_t seconds = 0;
  int32_t nanos = 0;
  int zone_s = 0;  // east of UTC, of a committer

  // RFC 3339, in the epoch's own zone. InvalidArgument for years and zones that it cannot say.
  absl::StatusOr<std::string> Text() const;
  // Since 1970; wraps for years that nanoseconds cannot count, as the reference's does.
  int64_t Nanoseconds() const;
};

// Decides the conversion's epoch, and what its variable SOURCE_DATE_EPOCH is. May ask for the metadata of one source.
absl::Status SetEpoch(Conversion& conversion, const std::vector<Stage>& stages);

// The committer's time of a commit as git stores it; nothing if it says none. InvalidArgument for what is no commit.
absl::StatusOr<std::optional<Epoch>> CommitterTime(std::string_view commit);

}  // namespace bk::dockerfile
