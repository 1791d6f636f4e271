// The value of a secret as a file on a tmpfs of its own, visible to one step and gone with it: it never touches a disk.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "llb/ops.pb.h"

namespace bk::ops {

class SecretMount {
 public:
  // Owner and mode (low nine bits) as asked for; not executable mounts unless the mode is.
  static absl::StatusOr<std::unique_ptr<SecretMount>> Make(std::string_view value, const pb::SecretOpt& options);
  ~SecretMount();
  // The read-only bind of the file.
  const os::Mount& mount() const { return mount_; }

 private:
  SecretMount() = default;
  os::TempDir dir_;
  bool mounted_ = false;
  os::Mount mount_;
};

}  // namespace bk::ops
