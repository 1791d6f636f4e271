// slirp4netns as our helper: it makes the tap device in the child's network namespace and carries its packets.
//
// It ends with its handle, and by its exit descriptor also when this process dies in any way. What it prints is logged
// with --debug. See slirp4netns(1).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/os/process.h"
#include "base/os/unique_fd.h"
#include "base/status.h"
#include "rootlesskit/net/plan.h"

namespace bk::rootlesskit {

class Slirp4netns {
 public:
  // Returns when it says that it is ready. `wait` blocks until a descriptor is readable (or fails when the set-up is to
  // end). FailedPrecondition with its own words when it ends before; kNoTunDevice when /dev/net/tun is the cause.
  static absl::StatusOr<Slirp4netns> Start(const NetworkPlan& plan, pid_t child, const std::function<absl::Status(int fd)>& wait);

  int output_fd() const { return output_.get(); }  // readable when it printed something or ended; -1 after its end
  // Reads and logs what is there; warns once when it has ended.
  void DrainOutput();

 private:
  os::UniqueFd exit_;  // its closing ends slirp4netns
  os::UniqueFd output_;
  os::Process process_;
};

// The words of its command line, without the program.
std::vector<std::string> SlirpArguments(const NetworkPlan& plan, pid_t child);
// OK, or what is wrong with /dev/net/tun for this user, and the fix.
absl::Status CheckTunDevice(const std::string& path = "/dev/net/tun");

}  // namespace bk::rootlesskit
