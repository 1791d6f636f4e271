// JSON arrays of strings, read as leniently as Go's encoding/json reads them (bytes that are no UTF-8 become U+FFFD, as do
// lone surrogates). Whether an instruction's arguments are such an array decides between exec and shell form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::dockerfile {

struct JsonArray {
  std::vector<std::string> strings;
  bool only_strings = true;
};

// Nothing if `text` is no JSON array (its depth is bounded).
std::optional<JsonArray> ParseJsonArray(std::string_view text);

}  // namespace bk::dockerfile
