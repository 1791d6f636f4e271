// Places of the Dockerfile in the form of the contract.
#pragma once

#include "daemon/frontend/dockerfile/parse/location.h"
#include "llb/ops.pb.h"
#include "proto/llb/state.h"

namespace bk::dockerfile {

inline pb::Range RangeToPb(const Range& range) {
  pb::Range out;
  out.mutable_start()->set_line(range.start.line);
  out.mutable_start()->set_character(range.start.character);
  out.mutable_end()->set_line(range.end.line);
  out.mutable_end()->set_character(range.end.character);
  return out;
}

inline pb::Location LocationToPb(const Ranges& ranges) {
  pb::Location out;
  for (const Range& range : ranges) *out.add_ranges() = RangeToPb(range);
  return out;
}

inline pb::SourceInfo SourceInfoOf(const llb::SourceMap& map) {
  pb::SourceInfo info;
  info.set_filename(map.filename);
  info.set_data(map.data);
  info.set_language(map.language);
  if (map.definition != nullptr) *info.mutable_definition() = *map.definition;
  return info;
}

}  // namespace bk::dockerfile
