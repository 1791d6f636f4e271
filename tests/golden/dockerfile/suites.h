// The suites of area dockerfile, one function a file.
#pragma once

#include "daemon/frontend/dockerfile/parse/location.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::dockerfile {

absl::Status RunParse(const Json& c, const std::string& dir);
absl::Status RunShlex(const Json& c, const std::string& dir);
absl::Status RunIgnore(const Json& c, const std::string& dir);
absl::Status RunInstructions(const Json& c, const std::string& dir);
absl::Status RunLlb(const Json& c, const std::string& dir);
absl::Status RunLlbErrors(const Json& c, const std::string& dir);
absl::Status RunLint(const Json& c, const std::string& dir);
absl::Status RunSubrequests(const Json& c, const std::string& dir);

// The Dockerfile of a case: given, or built from a recipe.
std::string DockerfileOf(const Json& input);
Json RangesJson(const bk::dockerfile::Ranges& ranges);
Json LocationsJson(const std::vector<bk::dockerfile::Ranges>& lists);

}  // namespace bk::golden::dockerfile
