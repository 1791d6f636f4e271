// Filters of containerd's grammar (`field==value`, `!=`, `~=regexp`, presence; comma is and, several filters are or).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk {

// What a filter asks an object for: the value of a field path, or nothing if it is absent.
using FilterFields = std::function<std::optional<std::string>(const std::string& field)>;

class Filter {
 public:
  // No texts: everything matches.
  static absl::StatusOr<Filter> Parse(const std::vector<std::string>& texts);
  bool Matches(const FilterFields& fields) const;

 private:
  struct Term {
    std::string field, op, value;
  };
  std::vector<std::vector<Term>> any_;
};

// Fields of a cache record as `du` and `prune` filter them; the switches are there or absent, without a value.
FilterFields UsageFields(std::string id, std::string description, std::string type, std::vector<std::string> parents, bool is_mutable, bool in_use, bool shared);

}  // namespace bk
