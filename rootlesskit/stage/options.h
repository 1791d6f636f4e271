// The command line of the launcher: `rootlesskit [flags] COMMAND…`, flags as rootlesskit 3.3.0 has them.
//
// One table (options.cc) says name, type, default and help of every flag and whether it is built; both stages parse the
// same words, so nothing of it travels between them. Parsing is pure. See docs/rootless.md#flags.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::rootlesskit {

// The version of rootlesskit whose interface this is; tools ask for it.
inline constexpr char kVersion[] = "3.3.0";

struct Options {
  bool help = false, version = false, debug = false;
  std::string print_semver;
  std::string state_dir;
  std::string net = "host";
  std::string slirp4netns_binary = "slirp4netns", slirp4netns_sandbox = "false", slirp4netns_seccomp = "false";
  int64_t mtu = 0;  // 0: the driver's own
  std::string cidr, ifname;
  bool disable_host_loopback = false, ipv6 = false;
  std::vector<std::string> copy_up;
  std::string copy_up_mode = "tmpfs+symlink";
  std::string port_driver = "none";
  std::vector<std::string> publish;
  bool pidns = false, cgroupns = false, utsns = false, ipcns = false;
  std::string propagation = "rprivate";
  std::string reaper = "auto";
  std::string evacuate_cgroup2;
  std::string subid_source = "auto";
  // The rest: flags that are known but not built, so that their presence is seen ("--detach-netns").
  std::vector<std::string> not_built;
  std::vector<std::string> command;

  // --reaper with `auto` resolved.
  bool reap() const { return reaper == "true" || (reaper == "auto" && pidns); }
  bool host_network() const { return net == "host"; }
};

// `words` without the program's name. InvalidArgument with Go's flag texts ("flag provided but not defined: -x").
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words);
// What can be judged from the words alone, before anything is touched; unbuilt flags are Unimplemented, by name.
absl::Status CheckOptions(const Options& options);
std::string HelpText();

}  // namespace bk::rootlesskit
