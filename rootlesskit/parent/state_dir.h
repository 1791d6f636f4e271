// The state directory: lock, child_pid, api.sock, and the files that the child mounts. One launcher at a time owns it.
#pragma once

#include <string>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::rootlesskit {

class StateDir {
 public:
  // `path` (made with its parents, what an earlier run left in it is removed), or a fresh rootlesskit… in $TMPDIR when
  // empty. kStateDirectory when it cannot be used or another launcher holds its lock.
  static absl::StatusOr<StateDir> Open(const std::string& path);
  StateDir(StateDir&& other) noexcept = default;
  StateDir& operator=(StateDir&&) = delete;
  ~StateDir();

  const std::string& path() const { return path_; }
  // From now on it is removed with its contents at scope exit; before, only a directory of our own making is.
  void RemoveAtEnd() { remove_ = true; }

 private:
  StateDir() = default;
  std::string path_;
  os::UniqueFd lock_;       // exclusive, on the file "lock"
  os::UniqueFd directory_;  // shared, so that systemd-tmpfiles leaves it alone (tmpfiles.d(5))
  bool remove_ = false;
};

}  // namespace bk::rootlesskit
