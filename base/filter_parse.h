// One text of a filter read into its terms; see filter.h for the grammar. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/filter.h"

namespace bk {

// InvalidArgument `parse error: [BEFORE >|AT|< AFTER]: REASON`.
absl::StatusOr<std::vector<Filter::Term>> ParseFilterTerms(const std::string& text);

}  // namespace bk
