// From the typed values of a file and of a command line to the settings; meanings are checked here. Pure functions.
#pragma once

#include "base/flags.h"
#include "daemon/config/config.h"
#include "daemon/config/value.h"

namespace bk::config {

// Settings of a file over what `config` holds.
absl::Status ApplyFile(const Table& table, Config& config);
// Flags that were given over what `config` holds.
absl::Status ApplyFlags(const flags::Values& values, Config& config);
// What neither may say.
absl::Status Check(const Config& config, const Surroundings& here);

// "k=v" of a repeated flag; "invalid value x" without "=".
absl::StatusOr<StringMap> ParseLabels(const std::vector<std::string>& texts);
// true, false, or nothing for "auto" and "".
absl::StatusOr<std::optional<bool>> ParseBoolOrAuto(const std::string& text);
// A number, or a name of this machine; the own group for "".
absl::StatusOr<int64_t> ParseGroup(const std::string& text);

}  // namespace bk::config
