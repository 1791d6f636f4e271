// A daemon of an ordinary user starts itself again under the launcher, which gives it a user namespace to be root in.
//
// Which launcher: `rootlesskit` beside this program, else in PATH. One line says what happens. See docs/rootless.md.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace bk::app {

// What the daemon below the launcher will see: root of a user namespace, the same environment.
config::Surroundings UnderLauncher(config::Surroundings surroundings);

// Replaces this process by the launcher with this program and `args` below it; returns only on failure (the fix is in the
// message). `surroundings` and `config` are those under the launcher.
absl::Status StartUnderLauncher(const std::vector<std::string>& args, const config::Surroundings& surroundings, const config::Config& config);

}  // namespace bk::app
