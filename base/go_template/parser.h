// The source of a template as a tree, with the rules and the error texts of Go's text/template/parse.
//
// Bounded: sources of more than kMaxSourceBytes, and parentheses and blocks nested more than kMaxNesting deep, are refused.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/go_template/tree.h"

namespace bk::go_template {

inline constexpr size_t kMaxSourceBytes = 256 << 10, kMaxNesting = 300;

// `functions`: the names that may be called. InvalidArgument with Go's text (`template: :1: unexpected EOF`).
absl::StatusOr<Tree> Parse(std::string_view source, const std::set<std::string, std::less<>>& functions);

}  // namespace bk::go_template
