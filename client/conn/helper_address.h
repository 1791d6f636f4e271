// Addresses of daemons that are reached through another program: which program, with which arguments. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/go_url.h"
#include "base/status.h"

namespace bk::client {

bool IsHelperScheme(const std::string& scheme);
// The command line that ends in `buildctl … dial-stdio` on the other side. Names are checked: none can pass for an option.
absl::StatusOr<std::vector<std::string>> HelperCommand(const GoUrl& url);

}  // namespace bk::client
