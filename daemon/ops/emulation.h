// Whether this machine can run programs of a platform: its own, compatible ones, and those that binfmt_misc hands to an
// emulator. And whether it can run one program, since trees are often not of the platform that their image names.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/os/root_path.h"
#include "base/platform.h"
#include "sandbox/oci/platforms.h"

namespace bk::ops {

// FailedPrecondition with the fix when nothing here can run `platform`. `emulated`: whether something runs programs of an
// architecture; asked each time, for an emulator may be registered while the daemon runs.
absl::Status CheckCanRun(const Platform& platform, const Platform& host, const std::function<bool(std::string_view)>& emulated = oci::RunsProgramsOf);

// What a step starts, as its process sees it.
struct Program {
  std::string name;              // a path, or looked for in PATH
  std::vector<std::string> env;  // "KEY=value"
  std::string cwd = "/";
};
// Whether `program` (or the interpreter that it names) is there and made for this machine.
bool IsForThisMachine(const os::RootDir& root, const Program& program);

}  // namespace bk::ops
