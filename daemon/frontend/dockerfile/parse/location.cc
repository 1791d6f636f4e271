#include "daemon/frontend/dockerfile/parse/location.h"

#include <algorithm>
#include <sstream>

#include "absl/strings/cord.h"

namespace bk::dockerfile {
namespace {

// Payload: "count l c l c …;" a list.
constexpr char kLocationsUrl[] = "bk/dockerfile.locations";

std::string Encode(const Ranges& ranges) {
  std::string out = std::to_string(ranges.size());
  for (const Range& r : ranges) {
    out += StrCat(" ", r.start.line, " ", r.start.character, " ", r.end.line, " ", r.end.character);
  }
  return out + "\n";
}

}  // namespace

Ranges LineRanges(int first, int last) {
  Ranges ranges;
  for (int line = first; line <= std::max(first, last); line++) ranges.push_back({{line, 0}, {line, 0}});
  return ranges;
}

absl::Status AddLocation(absl::Status status, const Ranges& ranges) {
  if (status.ok()) return status;
  std::string encoded;
  if (auto old = status.GetPayload(kLocationsUrl)) encoded = std::string(*old);
  status.SetPayload(kLocationsUrl, absl::Cord(encoded + Encode(ranges)));
  return status;
}

absl::Status ReplaceLocations(absl::Status status, const Ranges& ranges) {
  if (!status.ok()) status.SetPayload(kLocationsUrl, absl::Cord(Encode(ranges)));
  return status;
}

std::vector<Ranges> Locations(const absl::Status& status) {
  std::vector<Ranges> lists;
  auto payload = status.GetPayload(kLocationsUrl);
  if (!payload) return lists;
  std::istringstream in{std::string(*payload)};
  for (size_t count; in >> count;) {
    Ranges ranges(count);
    for (Range& r : ranges) in >> r.start.line >> r.start.character >> r.end.line >> r.end.character;
    lists.push_back(std::move(ranges));
  }
  return lists;
}

}  // namespace bk::dockerfile
