// A private daemon for one call of buildctl, shared by calls that overlap, gone when the last of them ends.
//
// Users hold a shared file lock for as long as they need it; a keeper (this program with a hidden verb, in a session of its
// own) is the daemon's parent, waits for the exclusive lock, which it gets when the last user is gone however it ended, and
// then ends the daemon. The cache below the state directory stays for the next call. See docs/buildctl.md#daemonless.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/os/unique_fd.h"

namespace bk::client {

struct DaemonPlaces {
  std::string run_dir;    // socket, locks, log
  std::string state_dir;  // the daemon's --root
  std::string program;    // buildkitd: beside this program, else in PATH
  std::string address() const { return "unix://" + run_dir + "/buildkitd.sock"; }
  std::string log_file() const { return run_dir + "/buildkitd.log"; }
};
// BUILDKIT_DAEMONLESS_DIR, else from XDG_RUNTIME_DIR and XDG_DATA_HOME, or root's places. Directories are made, owned by
// this user alone.
absl::StatusOr<DaemonPlaces> FindDaemonPlaces();

class PrivateDaemon {
 public:
  // Starts one, or joins the one that runs; blocks until it answers. Unavailable, with the end of its log, if it ended.
  static absl::StatusOr<std::unique_ptr<PrivateDaemon>> Join(const CancelToken& cancel);
  // Leaves; if nobody else uses it, waits until it is gone.
  ~PrivateDaemon();
  const std::string& address() const { return address_; }

 private:
  PrivateDaemon(DaemonPlaces places, os::UniqueFd users) : places_(std::move(places)), users_(std::move(users)), address_(places_.address()) {}
  DaemonPlaces places_;
  os::UniqueFd users_;  // shared lock
  int keeper_pid_ = 0;  // if this call started it
  std::string address_;
};

}  // namespace bk::client
