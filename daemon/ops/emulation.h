// Whether this machine can run programs of a platform: its own, compatible ones, and those that binfmt_misc hands to an
// emulator. And whether it can run one program, since trees are often not of the platform that their image names.
#pragma once

#include <string>
#include <vector>

#include "base/os/root_path.h"
#include "base/platform.h"

namespace bk::ops {

// FailedPrecondition with the fix when nothing here can run `platform`. `binfmt_dir`: where binfmt_misc is mounted.
absl::Status CheckCanRun(const Platform& platform, const Platform& host, const std::string& binfmt_dir = "/proc/sys/fs/binfmt_misc");

// What a step starts, as its process sees it.
struct Program {
  std::string name;              // a path, or looked for in PATH
  std::vector<std::string> env;  // "KEY=value"
  std::string cwd = "/";
};
// Whether `program` (or the interpreter that it names) is there and made for this machine.
bool IsForThisMachine(const os::RootDir& root, const Program& program);

}  // namespace bk::ops
