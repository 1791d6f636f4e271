#include "sandbox/net/table.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cctype>
#include <mutex>

#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "sandbox/net/network_list.h"
#include "sandbox/net/pinned_namespace.h"
#include "sandbox/net/pool.h"
#include "sandbox/net/records.h"

namespace bk::net {
namespace {

constexpr uint64_t kConfigLimit = 1 << 20;

struct Network {
  NetworkList list;
  std::vector<std::string> plugin_dirs;
  std::string bridge;  // made by the first plugin that runs; "" = not ours to remove
};

absl::StatusOr<Network> FromConfig(const NetworkOptions& options) {
  auto text = os::ReadFile(options.config_path, kConfigLimit);
  if (!text.ok()) return FailedPrecondition("failed to read cni config ", Quote(options.config_path), ": ", Message(text.status()));
  if (!os::Exists(options.plugin_dir)) return FailedPrecondition("failed to read cni binary dir ", Quote(options.plugin_dir), ": no such directory (install CNI plugins there, or name theirs with --oci-cni-binary-dir)");
  auto list = ParseNetworkList(*text, options.config_path.ends_with(".conflist"));
  if (!list.ok()) return InvalidArgument("cni config ", Quote(options.config_path), ": ", Message(list.status()));
  return Network{*std::move(list), {options.plugin_dir}, ""};
}

// The plugins that come with BuildKit have names of their own and lie in PATH, all of them or none.
absl::StatusOr<Network> FromBridge(const NetworkOptions& options) {
  Bridge bridge{.name = options.bridge_name, .subnet = options.bridge_subnet};
  if (options.rootless) {  // firewalld cannot be reached from a user namespace, and /var/lib is root's
    bridge.firewall_backend = "iptables";
    bridge.data_dir = os::JoinPath(os::DirName(options.dir), "addresses");
  }
  std::vector<std::string> dirs;
  bool own = true;
  for (std::string* type : {&bridge.bridge, &bridge.host_local, &bridge.firewall}) {
    auto found = os::FindProgram(StrCat("buildkit-cni-", *type));
    own = own && found.ok();
    if (!own) break;
    std::string dir = os::DirName(*found);
    if (std::find(dirs.begin(), dirs.end(), dir) == dirs.end()) dirs.push_back(dir);
  }
  if (own) {
    for (std::string* type : {&bridge.bridge, &bridge.host_local, &bridge.firewall}) *type = StrCat("buildkit-cni-", *type);
  } else {
    std::string program = os::JoinPath(options.plugin_dir, bridge.bridge);
    if (!os::Exists(program)) return FailedPrecondition("failed to find CNI bridge ", Quote(program), " or buildkit-cni-bridge (install CNI plugins there, or name their directory with --oci-cni-binary-dir)");
    dirs = {options.plugin_dir};
  }
  return Network{BridgeList(bridge), dirs, options.bridge_name};
}

// Held while a daemon makes its first network: two that make one bridge at the same moment disturb each other.
class InitLock {
 public:
  explicit InitLock(const std::string& path) {
    if (path.empty()) return;
    auto file = os::Open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file.ok() && flock(file->get(), LOCK_EX) == 0) {
      held_ = *std::move(file);
    } else {
      log::Warning("the lock of networks cannot be taken", {{"path", path}});
    }
  }

 private:
  os::UniqueFd held_;
};

absl::Status CheckHostname(const std::string& hostname) {
  bool plain = std::all_of(hostname.begin(), hostname.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '.' || c == '_'; });
  return plain ? absl::OkStatus() : InvalidArgument("hostname ", Quote(hostname), " cannot be told to a CNI network (letters, digits, - and . only)");
}

// How a provider makes networks.
struct Making {
  NetworkOptions options;
  Network network;
  std::once_flag first;

  absl::StatusOr<std::string> Make(const CancelToken& cancel, const std::string& hostname) {
    BK_RETURN_IF_ERROR(CheckHostname(hostname));
    std::string id = NewId();
    NetworkRecord record{.list = network.list, .attachment = {.id = id, .netns = StrCat(options.dir, "/", id), .hostname = hostname, .plugin_dirs = network.plugin_dirs}, .result = ""};
    absl::Status made;
    bool mine = false;
    std::call_once(first, [&] {
      mine = true;
      InitLock lock(options.init_lock);
      if (!network.bridge.empty() && if_nametoindex(network.bridge.c_str()) == 0) made = NoteBridge(options.dir, network.bridge);
      if (made.ok()) made = MakeNetwork(cancel, options.dir, record);
    });
    if (!mine) made = MakeNetwork(cancel, options.dir, record);
    BK_RETURN_IF_ERROR(made);
    return id;
  }
};

}  // namespace

std::string ResolveMode(const NetworkOptions& options) {
  if (options.mode != "auto") return options.mode;
  if (options.bridge_auto) return "bridge";
  return os::Exists(options.config_path) ? "cni" : "host";
}

absl::StatusOr<std::unique_ptr<Provider>> MakeProvider(const NetworkOptions& options) {
  std::string mode = ResolveMode(options);
  if (mode != "cni" && mode != "bridge") {
    RemoveNetworks(options.dir);
    return nullptr;
  }
  if (!OwnsNetwork()) {
    return FailedPrecondition("network mode ", mode, " needs a network namespace that is the daemon's own (start it with rootlesskit --net=slirp4netns, or use --oci-worker-net=host)");
  }
  auto making = std::make_shared<Making>();
  making->options = options;
  BK_ASSIGN(making->network, mode == "cni" ? FromConfig(options) : FromBridge(options));
  NetworkMaker maker{.make = [making](const CancelToken& cancel, const std::string& hostname) { return making->Make(cancel, hostname); },
                     .remove = [dir = options.dir](const std::string& id) { RemoveNetwork(dir, id); },
                     .begin = [dir = options.dir] { RemoveNetworks(dir); },
                     .end = [dir = options.dir] { RemoveNetworks(dir); }};
  return std::make_unique<PooledProvider>(PoolOptions{.dir = options.dir, .size = options.pool_size}, std::move(maker));
}

}  // namespace bk::net
