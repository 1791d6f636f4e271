// Runs one case of the launcher in a mount namespace of its own and collects what is left of it. Needs root.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/os/process.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::exec {

// What happened, with paths and numbers replaced by the names that the cases use ($TMP, $STATE, $N, $PID).
struct LauncherRun {
  os::ExitStatus exit;
  std::string out;
  std::vector<std::string> err;  // lines, without log times
  Json seen;                     // null: no probe ran
  Json state_after;              // null: the state directory is gone
  bool own_state_left = false;   // something is left in $TMPDIR
};

// An error for a case that could not be run, ran too long, or left processes behind.
absl::StatusOr<LauncherRun> RunLauncher(const Json& input);

}  // namespace bk::golden::exec
