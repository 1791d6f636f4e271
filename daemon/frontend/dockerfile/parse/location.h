// Places in a Dockerfile, and errors that know theirs.
//
// An error collects one list of ranges a level of nesting; clients get them as Source details. Lines count from 1.
#pragma once

#include <vector>

#include "base/status.h"

namespace bk::dockerfile {

struct Position {
  int line = 0, character = 0;
  bool operator==(const Position&) const = default;
};
struct Range {
  Position start, end;
  bool operator==(const Range&) const = default;
};
using Ranges = std::vector<Range>;

// One range a line; just `first` if `last` is not behind it.
Ranges LineRanges(int first, int last);

// `status` with one more place, or with this place instead of all others.
absl::Status AddLocation(absl::Status status, const Ranges& ranges);
absl::Status ReplaceLocations(absl::Status status, const Ranges& ranges);
std::vector<Ranges> Locations(const absl::Status& status);

}  // namespace bk::dockerfile
