// Filters of containerd's grammar: `field==value`, `!=`, `~=regexp`, presence; a comma is "and", several filters are "or".
//
//   selectors := selector ("," selector)*        field := quoted | [A-Za-z0-9_]+
//   selector  := field ("." field)* (op value)?  value := quoted | printable runes but space and ","
// Spaces may stand before every part. Quotes are "…", for regular expressions also /…/ and |…|, with Go's escapes inside.
// Values; thread-safe. Golden: text/filters.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace bk {

using FieldPath = std::vector<std::string>;  // never empty
// What a filter asks an object for: the value of a field, or nothing if it is absent.
using FilterFields = std::function<std::optional<std::string>(const FieldPath& path)>;

class Filter {
 public:
  // No texts: everything matches. InvalidArgument `filters: parse error: [BEFORE >|AT|< AFTER]: REASON: invalid argument`, with
  // `whose` ("prune") behind `failed to parse WHOSE filters [TEXT TEXT]: `.
  static absl::StatusOr<Filter> Parse(const std::vector<std::string>& texts, std::string_view whose = "");
  // An absent field is as an empty one, but it equals nothing. A regular expression that is none matches nothing.
  bool Matches(const FilterFields& fields) const;

  struct Term {
    FieldPath field;
    std::string op, value;  // op "": the field is there
    std::shared_ptr<const re2::RE2> pattern;
  };

 private:
  std::vector<std::vector<Term>> any_;
};

// Fields of a cache record as `du` and `prune` filter them; the switches are there or absent, without a value.
FilterFields UsageFields(std::string id, std::string description, std::string type, std::vector<std::string> parents, bool is_mutable, bool in_use, bool shared);
// Fields of a worker: `id` and `labels.NAME`, where NAME may have dots.
FilterFields WorkerFields(std::string id, std::map<std::string, std::string> labels);

}  // namespace bk
