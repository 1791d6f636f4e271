#include "rootlesskit/stage/options.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <variant>

#include "base/go_parse.h"

namespace bk::rootlesskit {
namespace {

struct NotBuilt {
  bool takes_value;
};
using Target = std::variant<bool Options::*, int64_t Options::*, std::string Options::*, std::vector<std::string> Options::*, NotBuilt>;

struct Flag {
  const char* category;
  const char* name;
  const char* alias;
  Target target;
  const char* usage;
  const char* shown_default;  // as help prints it, "" for none
};

// Every flag there is, in the order of the help text; docs/rootless.md#flags says what they mean.
const Flag kFlags[] = {
    {"Misc", "debug", "", &Options::debug, "debug mode", "false"},
    {"Misc", "print-semver", "", &Options::print_semver, "print a version component as a decimal integer [major, minor, patch]", ""},
    {"Misc", "help", "h", &Options::help, "show help", ""},
    {"Misc", "version", "v", &Options::version, "print the version", ""},
    {"Mount", "copy-up", "", &Options::copy_up, "mount a file system and copy up the contents, e.g. \"--copy-up=/etc\" (typically required for non-host network)", ""},
    {"Mount", "copy-up-mode", "", &Options::copy_up_mode, "copy-up mode [tmpfs+symlink]", "\"tmpfs+symlink\""},
    {"Mount", "propagation", "", &Options::propagation, "mount propagation [rprivate, rslave]", "\"rprivate\""},
    {"Network", "net", "", &Options::net, "network driver [host, none, slirp4netns]", "\"host\""},
    {"Network", "mtu", "", &Options::mtu, "MTU for non-host network", "65520 for slirp4netns"},
    {"Network", "cidr", "", &Options::cidr, "CIDR for slirp4netns networks", "10.0.2.0/24"},
    {"Network", "ifname", "", &Options::ifname, "network interface name", "tap0"},
    {"Network", "disable-host-loopback", "", &Options::disable_host_loopback, "prohibit connecting to 127.0.0.1:* on the host namespace", "false"},
    {"Network", "ipv6", "", &Options::ipv6, "enable IPv6 routing (experimental; slirp4netns)", "false"},
    {"Network", "detach-netns", "", NotBuilt{false}, "detach network namespaces (not built yet)", ""},
    {"Network [lxc-user-nic]", "lxc-user-nic-binary", "", NotBuilt{true}, "path of lxc-user-nic binary (not built yet)", ""},
    {"Network [lxc-user-nic]", "lxc-user-nic-bridge", "", NotBuilt{true}, "lxc-user-nic bridge name (not built yet)", ""},
    {"Network [pasta]", "pasta-binary", "", NotBuilt{true}, "path of pasta binary (not built yet)", ""},
    {"Network [slirp4netns]", "slirp4netns-binary", "", &Options::slirp4netns_binary, "path of slirp4netns binary", "\"slirp4netns\""},
    {"Network [slirp4netns]", "slirp4netns-sandbox", "", &Options::slirp4netns_sandbox, "enable slirp4netns sandbox (experimental) [auto, true, false]", "\"false\""},
    {"Network [slirp4netns]", "slirp4netns-seccomp", "", &Options::slirp4netns_seccomp, "enable slirp4netns seccomp (experimental) [auto, true, false]", "\"false\""},
    {"Network [vpnkit]", "vpnkit-binary", "", NotBuilt{true}, "path of VPNKit binary (not built yet)", ""},
    {"Port", "port-driver", "", &Options::port_driver, "port driver for non-host network [none]", "\"none\""},
    {"Port", "publish", "p", &Options::publish, "publish ports, e.g. \"127.0.0.1:8080:80/tcp\" (not built yet)", ""},
    {"Port", "source-ip-transparent", "", NotBuilt{false}, "preserve the client's source address (not built yet)", ""},
    {"Process", "pidns", "", &Options::pidns, "create a PID namespace", "false"},
    {"Process", "cgroupns", "", &Options::cgroupns, "create a cgroup namespace, with cgroup2 alone at /sys/fs/cgroup", "false"},
    {"Process", "utsns", "", &Options::utsns, "create a UTS namespace", "false"},
    {"Process", "ipcns", "", &Options::ipcns, "create an IPC namespace", "false"},
    {"Process", "reaper", "", &Options::reaper, "enable process reaper; requires --pidns [auto, true, false]", "\"auto\""},
    {"Process", "evacuate-cgroup2", "", &Options::evacuate_cgroup2, "evacuate processes into the specified subgroup; requires --pidns and --cgroupns (not built yet)", ""},
    {"State", "state-dir", "", &Options::state_dir, "state directory", ""},
    {"SubID", "subid-source", "", &Options::subid_source, "the source of the subids: \"dynamic\" runs getsubids, \"static\" reads /etc/subuid and /etc/subgid [auto, dynamic, static]", "\"auto\""},
};

constexpr char kHelpHead[] = R"(NAME:
   rootlesskit - Linux-native fakeroot using user namespaces

USAGE:
   rootlesskit [global options] [arguments...]

VERSION:
   )";
constexpr char kHelpText[] = R"(

DESCRIPTION:
   Runs a command as root of a user namespace of its own ("fake root", user_namespaces(7)), without being root.

   Examples:
     # a shell with a new user namespace and a mount namespace
     rootlesskit bash

     # a writable /etc
     rootlesskit --copy-up=/etc bash

     # a network namespace with slirp4netns
     rootlesskit --copy-up=/etc --net=slirp4netns --disable-host-loopback bash

   Note: /etc/subuid and /etc/subgid have to name ranges for the user; see docs/rootless.md.

OPTIONS:
)";

bool TakesValue(const Target& target) {
  if (const auto* not_built = std::get_if<NotBuilt>(&target)) return not_built->takes_value;
  return !std::holds_alternative<bool Options::*>(target);
}

const Flag* FindFlag(std::string_view name) {
  auto found = std::find_if(std::begin(kFlags), std::end(kFlags), [&](const Flag& f) { return name == f.name || (*f.alias != 0 && name == f.alias); });
  return found == std::end(kFlags) ? nullptr : found;
}

// Lists take several values in one word, separated by commas.
void AppendList(std::vector<std::string>& list, std::string_view value) {
  for (size_t at = 0; at <= value.size();) {
    size_t end = std::min(value.find(',', at), value.size());
    list.emplace_back(value.substr(at, end - at));
    at = end + 1;
  }
}

// `value` is null for a boolean flag without "=".
absl::Status SetFlag(Options& options, const Flag& flag, std::string_view name, const std::string* value) {
  if (const auto* member = std::get_if<bool Options::*>(&flag.target)) {
    auto parsed = ParseBool(value != nullptr ? *value : "true");
    if (!parsed.ok()) return InvalidArgument("invalid boolean value ", Quote(*value), " for -", name, ": parse error");
    options.**member = *parsed;
  } else if (const auto* member = std::get_if<int64_t Options::*>(&flag.target)) {
    // Decimal, 0x… or 0…, as Go's flags.
    char* end = nullptr;
    errno = 0;
    options.**member = std::strtoll(value->c_str(), &end, 0);
    if (value->empty() || isspace(static_cast<unsigned char>((*value)[0])) || *end != 0 || errno != 0) {
      return InvalidArgument("invalid value ", Quote(*value), " for flag -", name, ": parse error");
    }
  } else if (const auto* member = std::get_if<std::string Options::*>(&flag.target)) {
    options.**member = *value;
  } else if (const auto* member = std::get_if<std::vector<std::string> Options::*>(&flag.target)) {
    AppendList(options.**member, *value);
  } else {
    options.not_built.push_back(StrCat("--", flag.name));
  }
  return absl::OkStatus();
}

absl::Status ExpectOneOf(std::string_view value, std::span<const std::string_view> words, std::string_view what) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return absl::OkStatus();
  return InvalidArgument("unknown ", what, ": ", value);
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& words) {
  Options options;
  size_t at = 0;
  for (; at < words.size(); at++) {
    const std::string& word = words[at];
    if (word.size() < 2 || word[0] != '-') break;
    if (word == "--") {
      at++;
      break;
    }
    std::string name = word.substr(word[1] == '-' ? 2 : 1);
    if (name.empty() || name[0] == '-' || name[0] == '=') return InvalidArgument("bad flag syntax: ", word);
    std::string value;
    const std::string* given = nullptr;
    if (size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
      given = &value;
    }
    const Flag* flag = FindFlag(name);
    if (flag == nullptr) return InvalidArgument("flag provided but not defined: -", name);
    if (given == nullptr && TakesValue(flag->target)) {
      if (++at == words.size()) return InvalidArgument("flag needs an argument: -", name);
      given = &words[at];
    }
    BK_RETURN_IF_ERROR(SetFlag(options, *flag, name, given));
  }
  options.command.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  return options;
}

absl::Status CheckOptions(const Options& options) {
  static constexpr std::string_view kReapers[] = {"auto", "true", "false"};
  static constexpr std::string_view kCopyUpModes[] = {"tmpfs+symlink"};
  if (options.command.empty()) return InvalidArgument("no command specified");
  if (!options.evacuate_cgroup2.empty()) {
    if (!options.cgroupns) return InvalidArgument("evacuate-cgroup2 requires --cgroupns");
    if (!options.pidns) return InvalidArgument("evacuate-cgroup2 requires --pidns");
    return Unimplemented("--evacuate-cgroup2 is not built yet");
  }
  if (!options.not_built.empty()) return Unimplemented(options.not_built[0], " is not built yet");
  BK_RETURN_IF_ERROR(ExpectOneOf(options.reaper, kReapers, "reaper mode"));
  if (options.reaper == "true" && !options.pidns) return InvalidArgument("reaper requires --pidns");
  BK_RETURN_IF_ERROR(ExpectOneOf(options.copy_up_mode, kCopyUpModes, "copy-up mode"));
  if (!options.copy_up.empty() && (options.propagation == "rshared" || options.propagation == "shared")) {
    return InvalidArgument("propagation ", options.propagation, " does not support copy-up driver ", options.copy_up_mode);
  }
  if (options.subid_source != "auto" && options.subid_source != "dynamic" && options.subid_source != "static" && !options.subid_source.empty()) {
    return InvalidArgument("unknown subid source ", Quote(options.subid_source));
  }
  return absl::OkStatus();
}

std::string HelpText() {
  std::string out = StrCat(kHelpHead, kVersion, kHelpText);
  std::string_view category;
  for (const Flag& flag : kFlags) {
    if (category != flag.category) {
      if (!category.empty()) out += "\n";
      category = flag.category;
      out += StrCat("  ", category, ":\n");
    }
    std::string names = StrCat("--", flag.name);
    if (*flag.alias != 0) names += StrCat(", -", flag.alias);
    if (TakesValue(flag.target)) names += " value";
    names.resize(std::max<size_t>(names.size(), 29), ' ');
    out += StrCat("    ", names, " ", flag.usage);
    if (*flag.shown_default != 0) out += StrCat(" (default: ", flag.shown_default, ")");
    out += "\n";
  }
  return out;
}

}  // namespace bk::rootlesskit
