// Whether this machine can run programs of a platform: its own, compatible ones, and those that binfmt_misc hands to an
// emulator.
#pragma once

#include <string>

#include "base/platform.h"

namespace bk::ops {

// FailedPrecondition with the fix when nothing here can run `platform`. `binfmt_dir`: where binfmt_misc is mounted.
absl::Status CheckCanRun(const Platform& platform, const Platform& host, const std::string& binfmt_dir = "/proc/sys/fs/binfmt_misc");

}  // namespace bk::ops
