// Where things are by default: below the user's directories for a launcher's child, in the system's otherwise (trap 23).
#include <unistd.h>

#include <cstdio>

#include "base/os/file.h"
#include "daemon/config/config.h"

extern char** environ;

namespace bk::config {
namespace {

std::string Env(const Surroundings& here, const char* name) {
  auto found = here.env.find(name);
  return found == here.env.end() ? "" : found->second;
}

std::string FirstOf(const std::string& list) { return list.substr(0, list.find(':')); }

std::string Below(const std::string& dir, const char* rest) { return os::CleanPath(StrCat(dir, "/", rest)); }

}  // namespace

Surroundings Surroundings::OfThisProcess() {
  Surroundings here;
  for (char** entry = environ; *entry != nullptr; entry++) {
    std::string text = *entry;
    size_t equals = text.find('=');
    if (equals != std::string::npos) here.env.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  here.euid = geteuid();
  // user_namespaces(7): the initial one maps all ids to themselves.
  unsigned long inside = 1, outside = 1, count = 0;
  std::string map = os::ReadFile("/proc/self/uid_map", 1 << 20).value_or("0 0 4294967295");
  here.in_user_namespace = std::sscanf(map.c_str(), "%lu %lu %lu", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 || count != 4294967295UL;
  return here;
}

DefaultPaths PathsFor(const Surroundings& here) {
  DefaultPaths paths;
  paths.root = "/var/lib/buildkit";
  paths.address = "unix:///run/buildkit/buildkitd.sock";
  paths.otel_socket = "/run/buildkit/otel-grpc.sock";
  std::string config_dir = "/etc/buildkit", user = Env(here, "USER");
  paths.rootless_defaults = here.in_user_namespace && !user.empty() && user != "root";
  if (paths.rootless_defaults) {
    std::string home = Env(here, "HOME"), run = FirstOf(Env(here, "XDG_RUNTIME_DIR")), data = FirstOf(Env(here, "XDG_DATA_HOME")), settings = Env(here, "XDG_CONFIG_HOME");
    if (!run.empty()) {
      paths.address = "unix://" + Below(run, "buildkit/buildkitd.sock");
      paths.otel_socket = Below(run, "buildkit/otel-grpc.sock");
    }
    if (!data.empty()) {
      paths.root = Below(data, "buildkit");
    } else if (!home.empty()) {
      paths.root = Below(home, ".local/share/buildkit");
    }
    if (!settings.empty()) {
      config_dir = Below(settings, "buildkit");
    } else if (!home.empty()) {
      config_dir = Below(home, ".config/buildkit");
    }
  }
  paths.config_file = config_dir + "/buildkitd.toml";
  paths.cni_config = config_dir + "/cni.json";
  paths.certificates = config_dir + "/certs.d";
  return paths;
}

}  // namespace bk::config
