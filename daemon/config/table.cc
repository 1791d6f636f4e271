#include "daemon/config/table.h"

namespace bk::config {
namespace {

using flags::Kind;

constexpr FlagRow kFlags[] = {
    {"rootless", Kind::kBool, "$userns", "set all the default options to be compatible with rootless containers"},
    {"config", Kind::kString, "$config", "path to config file"},
    {"debug", Kind::kBool, "", "enable debug output in logs"},
    {"trace", Kind::kBool, "", "enable trace output in logs (highly verbose, could affect performance)", kNotBuilt | kHidden},
    {"root", Kind::kString, "$root", "path to state directory"},
    {"addr", Kind::kStrings, "$address", "listening address (socket or tcp)"},
    {"log-format", Kind::kString, "text", "log formatter: json or text"},
    {"log-level", Kind::kString, "info", "set the log level", 0, "BUILDKITD_LOG_LEVEL"},
    {"group", Kind::kString, "", "group (name or gid) which will own all Unix socket listening addresses"},
    {"debugaddr", Kind::kString, "", "debugging address (eg. 0.0.0.0:6060)", kNotBuilt, "BUILDKITD_DEBUGADDR"},
    {"tlscert", Kind::kString, "", "certificate file to use"},
    {"tlskey", Kind::kString, "", "key file to use"},
    {"tlscacert", Kind::kString, "", "ca certificate to verify clients"},
    {"allow-insecure-entitlement", Kind::kStrings, "", "allows insecure entitlements e.g. network.host, security.insecure, device"},
    {"proxy-network", Kind::kBool, "", "enable proxy network enforcement for all builds", kNotBuilt},
    {"otel-socket-path", Kind::kString, "", "OTEL collector trace socket path"},
    {"cdi-disabled", Kind::kBool, "", "disables support of the Container Device Interface (CDI)"},
    {"cdi-spec-dir", Kind::kStrings, "", "list of directories to scan for CDI spec files"},
    {"save-cache-debug", Kind::kBool, "", "enable saving cache debug info", kNotBuilt},
    {"containerd-worker", Kind::kString, "auto", "enable containerd workers (true/false/auto)"},
    {"containerd-worker-addr", Kind::kString, "/run/containerd/containerd.sock", "containerd socket", kNotBuilt},
    {"containerd-worker-labels", Kind::kStrings, "", "user-specific annotation labels (com.example.foo=bar)", kNotBuilt},
    {"containerd-worker-platform", Kind::kStrings, "", "override supported platforms for worker", kNotBuilt | kHidden},
    {"containerd-worker-namespace", Kind::kString, "buildkit", "override containerd namespace", kNotBuilt | kHidden},
    {"containerd-worker-runtime", Kind::kString, "io.containerd.runc.v2", "override containerd runtime", kNotBuilt | kHidden},
    {"containerd-worker-net", Kind::kString, "auto", "worker network type (auto, bridge, cni or host)", kNotBuilt},
    {"containerd-cni-config-path", Kind::kString, "$cni", "path of cni config file", kNotBuilt},
    {"containerd-cni-binary-dir", Kind::kString, "/opt/cni/bin", "path of cni binary files", kNotBuilt},
    {"containerd-cni-pool-size", Kind::kInt, "", "size of cni network namespace pool", kNotBuilt},
    {"containerd-worker-snapshotter", Kind::kString, "overlayfs", "snapshotter name to use", kNotBuilt},
    {"containerd-worker-apparmor-profile", Kind::kString, "", "set the name of the apparmor profile applied to containers", kNotBuilt},
    {"containerd-worker-selinux", Kind::kBool, "", "apply SELinux labels", kNotBuilt},
    {"containerd-max-parallelism", Kind::kInt, "", "limit the number of parallel build steps that can run at the same time", kNotBuilt},
    {"containerd-worker-rootless", Kind::kBool, "$userns", "enable rootless mode", kNotBuilt},
    {"containerd-worker-gc", Kind::kBool, "true", "Enable automatic garbage collection on worker", kNotBuilt},
    {"containerd-worker-gc-keepstorage", Kind::kString, "$gc", "Amount of storage GC keep locally, format \"Reserved[,Free[,Maximum]]\" (MB)", kNotBuilt},
    {"oci-worker", Kind::kString, "auto", "enable oci workers (true/false/auto)"},
    {"oci-worker-labels", Kind::kStrings, "", "user-specific annotation labels (com.example.foo=bar)"},
    {"oci-worker-snapshotter", Kind::kString, "auto", "name of snapshotter (overlayfs, native, etc.)"},
    {"oci-worker-proxy-snapshotter-path", Kind::kString, "", "address of proxy snapshotter socket (do not include 'unix://' prefix)", kNotBuilt},
    {"oci-worker-platform", Kind::kStrings, "", "override supported platforms for worker"},
    {"oci-worker-net", Kind::kString, "auto", "worker network type (auto, bridge, cni or host)"},
    {"oci-cni-config-path", Kind::kString, "$cni", "path of cni config file"},
    {"oci-cni-binary-dir", Kind::kString, "/opt/cni/bin", "path of cni binary files"},
    {"oci-cni-pool-size", Kind::kInt, "", "size of cni network namespace pool"},
    {"oci-worker-binary", Kind::kString, "", "name of specified oci worker binary"},
    {"oci-worker-apparmor-profile", Kind::kString, "", "set the name of the apparmor profile applied to containers", kNotBuilt},
    {"oci-worker-selinux", Kind::kBool, "", "apply SELinux labels", kNotBuilt},
    {"oci-max-parallelism", Kind::kInt, "", "limit the number of parallel build steps that can run at the same time"},
    {"oci-worker-rootless", Kind::kBool, "$userns", "enable rootless mode"},
    {"oci-worker-no-process-sandbox", Kind::kBool, "", "use the host PID namespace and procfs (WARNING: allows build containers to kill (and potentially ptrace) an arbitrary process in the host namespace)"},
    {"oci-worker-gc", Kind::kBool, "true", "Enable automatic garbage collection on worker"},
    {"oci-worker-gc-keepstorage", Kind::kString, "$gc", "Amount of storage GC keep locally, format \"Reserved[,Free[,Maximum]]\" (MB)"},
    {"profile-cpu", Kind::kString, "", "", kNotBuilt | kHidden},
    {"profile-memory", Kind::kString, "", "", kNotBuilt | kHidden},
    {"profile-memoryrate", Kind::kInt, "524288", "", kNotBuilt | kHidden},
    {"profile-block", Kind::kString, "", "", kNotBuilt | kHidden},
    {"profile-mutex", Kind::kString, "", "", kNotBuilt | kHidden},
    {"profile-trace", Kind::kString, "", "", kNotBuilt | kHidden},
    {"drain-timeout", Kind::kDuration, "10s", "how long running builds may go on after the first SIGTERM or SIGINT"},
};

}  // namespace

std::span<const FlagRow> FlagRows() { return kFlags; }

}  // namespace bk::config
