// YAML turned into JSON text, for a JSON reader. libyaml parses; plain scalars are what Go's YAML library takes them for:
// those of YAML 1.1 (0644 and 0x1f are numbers, yes and off truth values), so texts that look like numbers need quotes.
// One document; further ones are not read. Tags and merge keys are refused (libyaml does not tell !!str from no tag).
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace bk {

// InvalidArgument "line N: …". Empty text is null. Nesting (64) and what aliases expand to (16 MiB) are bounded.
absl::StatusOr<std::string> YamlToJson(std::string_view text);

}  // namespace bk
