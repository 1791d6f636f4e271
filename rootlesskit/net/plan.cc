#include "rootlesskit/net/plan.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>

#include "base/os/file.h"
#include "base/os/process.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr int kDefaultMtu = 65520;
constexpr int64_t kMaxMtu = 65521;
constexpr size_t kMaxDeviceName = 15;  // IFNAMSIZ - 1
constexpr char kInstallSlirp[] = "(as root: apt-get install slirp4netns; or use --net=host)";

// Drivers of rootlesskit that are known, and not built here.
constexpr std::string_view kOtherDrivers[] = {"pasta", "vpnkit", "lxc-user-nic", "gvisor-tap-vsock"};
constexpr std::string_view kOtherPortDrivers[] = {"implicit", "builtin", "slirp4netns", "gvisor-tap-vsock"};

template <size_t N>
bool IsOneOf(std::string_view word, const std::string_view (&words)[N]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

absl::Status CheckGeneral(const Options& o, const std::optional<IpNetwork>& cidr) {
  if (o.ifname.find('/') != std::string::npos) return InvalidArgument("ifname must not contain \"/\"");
  if (o.ifname.size() > kMaxDeviceName) return InvalidArgument("ifname must have at most ", kMaxDeviceName, " characters");
  if (o.ipv6) {
    Warn("ipv6 is experimental");
    if (o.net != "slirp4netns" && o.net != "pasta") Warn(StrCat("--ipv6 is discarded for --net=", o.net));
  }
  if (!o.disable_host_loopback && o.net != "host" && o.net != "none") {
    Warn("specifying --disable-host-loopback is highly recommended to prohibit connecting to 127.0.0.1:* on the host namespace "
         "(requires pasta, slirp4netns, or VPNKit)");
  }
  if (o.net == "host" || o.net == "none") {
    if (o.mtu != 0) Warn(StrCat("unsupported mtu for --net=", o.net, ": ", o.mtu));
    if (cidr) return InvalidArgument("custom cidr is not supported for --net=", o.net);
    if (!o.ifname.empty()) return InvalidArgument("ifname cannot be specified for --net=", o.net);
  }
  return absl::OkStatus();
}

absl::Status CheckPorts(const Options& o) {
  if (IsOneOf(o.port_driver, kOtherPortDrivers)) {
    if (o.host_network()) return InvalidArgument("port driver requires non-host network; besides, --port-driver=", o.port_driver, " is not built yet");
    return Unimplemented("--port-driver=", o.port_driver, " is not built yet");
  }
  if (o.port_driver != "none") return InvalidArgument("unknown port driver: ", o.port_driver);
  if (!o.publish.empty()) return Unimplemented("port driver \"none\" does not support publishing ports, and --publish is not built yet");
  return absl::OkStatus();
}

// PR_GET_SECCOMP answers 0 where seccomp is built in and this process has none.
bool KernelHasSeccomp() { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

absl::StatusOr<bool> ResolveSwitch(std::string_view flag, std::string_view value, bool available) {
  if (value == "auto") return available;
  if (value == "false" || value.empty()) return false;
  if (value != "true") return InvalidArgument("unsupported ", flag, " mode: ", Quote(value));
  if (!available) return FailedPrecondition("--", flag, "=true: this slirp4netns or kernel does not support it (use auto)");
  return true;
}

absl::Status MissingSlirp(std::string_view why) { return WithExitCode(NotFound(why, " ", kInstallSlirp), ExitCode::kNoSlirp4netns); }

absl::Status PlanSlirp(const Options& o, NetworkPlan& plan) {
  auto binary = os::FindProgram(o.slirp4netns_binary);
  if (!binary.ok()) return MissingSlirp(Message(binary.status()));
  plan.binary = *binary;
  os::ProcessOptions help;
  help.argv = {plan.binary, "--help"};
  auto output = os::Run(CancelToken::Never(), help);
  if (!output.ok()) return MissingSlirp(StrCat("run ", plan.binary, " --help: ", Message(output.status())));
  std::string text = output->out + output->err;
  auto has = [&](std::string_view flag) { return text.find(flag) != std::string::npos; };
  // --netns-type came with 0.4.0, --exit-fd and the rest were there before.
  if (!output->status.success() || !has("--netns-type")) return MissingSlirp(StrCat(plan.binary, " is not slirp4netns 0.4.0 or newer"));
  if (o.ipv6 && !has("--enable-ipv6")) return MissingSlirp("this version of slirp4netns does not support --enable-ipv6");
  BK_ASSIGN(plan.sandbox, ResolveSwitch("slirp4netns-sandbox", o.slirp4netns_sandbox, has("--enable-sandbox")));
  BK_ASSIGN(plan.seccomp, ResolveSwitch("slirp4netns-seccomp", o.slirp4netns_seccomp, has("--enable-seccomp") && KernelHasSeccomp()));
  plan.mtu = o.mtu == 0 ? kDefaultMtu : static_cast<int>(o.mtu);
  plan.device = o.ifname.empty() ? "tap0" : o.ifname;
  plan.disable_host_loopback = o.disable_host_loopback;
  plan.ipv6 = o.ipv6;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NetworkPlan> PlanNetwork(const Options& o) {
  NetworkPlan plan;
  if (o.mtu < 0 || o.mtu > kMaxMtu) return InvalidArgument("mtu must be <= ", kMaxMtu, ", got ", o.mtu);
  if (!o.cidr.empty()) BK_ASSIGN(plan.cidr, ParseCidr(o.cidr));
  BK_RETURN_IF_ERROR(CheckGeneral(o, plan.cidr));
  if (o.net == "none") {
    plan.driver = NetworkDriver::kNone;
  } else if (o.net == "slirp4netns") {
    plan.driver = NetworkDriver::kSlirp4netns;
    BK_RETURN_IF_ERROR(PlanSlirp(o, plan));
  } else if (IsOneOf(o.net, kOtherDrivers)) {
    return Unimplemented("--net=", o.net, " is not built yet (use host, none or slirp4netns)");
  } else if (o.net != "host") {
    return InvalidArgument("unknown network mode: ", o.net);
  }
  BK_RETURN_IF_ERROR(CheckPorts(o));
  return plan;
}

absl::StatusOr<NetworkSetup> SetupFor(const NetworkPlan& plan) {
  NetworkSetup setup;
  if (plan.driver != NetworkDriver::kSlirp4netns) return setup;
  IpNetwork network = plan.cidr.value_or(IpNetwork{"10.0.2.0/24", true, 0x0a000200, 24});
  setup.device = plan.device;
  setup.mtu = plan.mtu;
  setup.prefix = network.prefix;
  BK_ASSIGN(setup.address, AddressAt(network, 100));
  BK_ASSIGN(setup.gateway, AddressAt(network, 2));
  BK_TRY(std::string name_server, AddressAt(network, 3));
  setup.dns = {name_server};
  if (plan.ipv6) setup.dns.push_back("fd00::3");  // the only one slirp4netns knows
  return setup;
}

}  // namespace bk::rootlesskit
