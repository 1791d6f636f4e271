// YAML as far as people and tools write it into configuration: turned into JSON text, for a JSON reader.
//
// One document of block and flow collections, plain and quoted scalars on one line, and comments; so JSON is read, too.
// Anchors, tags, block scalars and scalars of several lines are refused, with the line. Scalars are those of YAML 1.1
// (0644 and 0x1f are numbers, yes and off truth values); texts that are to be numbers need quotes. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace bk {

// InvalidArgument "line N: …". Empty text is null. Nesting is bounded.
absl::StatusOr<std::string> YamlToJson(std::string_view text);

}  // namespace bk
