// The suites of the area exec; one file each.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::exec {

absl::Status RunHosts(const Json& c, const std::string& file_dir);
absl::Status RunResolvConf(const Json& c, const std::string& file_dir);
absl::Status RunUsers(const Json& c, const std::string& file_dir);
absl::Status RunStubs(const Json& c, const std::string& file_dir);
absl::Status RunConfig(const Json& c, const std::string& file_dir);
absl::Status RunDefaults(const Json& c, const std::string& file_dir);
absl::Status RunSpec(const Json& c, const std::string& file_dir);
absl::Status RunSpecVariant(const Json& c, const std::string& file_dir);
absl::Status RunRootlesskit(const Json& c, const std::string& file_dir);
absl::Status RunRootlessSpec(const Json& c, const std::string& file_dir);

}  // namespace bk::golden::exec
