#include "sandbox/exec/cgroup.h"

#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/os/file.h"

namespace bk::exec {
namespace {

constexpr int kRounds = 200;
constexpr std::chrono::milliseconds kPause(5);
constexpr uint64_t kConfigLimit = 64 << 20;
const std::string kTop = "/sys/fs/cgroup";

// The directory of each mounted hierarchy.
std::vector<std::string> Hierarchies() {
  struct statfs fs {};
  if (statfs(kTop.c_str(), &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) return {kTop};
  std::vector<std::string> found;
  for (const std::string& name : os::ListDir(kTop).value_or(std::vector<std::string>())) found.push_back(StrCat(kTop, "/", name));
  return found;
}

// `top` and the groups below it, parents first.
std::vector<std::string> GroupsOf(const std::string& top) {
  std::vector<std::string> groups = {top};
  for (size_t i = 0; i < groups.size(); i++) {
    const std::string group = groups[i];
    for (const std::string& name : os::ListDir(group).value_or(std::vector<std::string>())) {
      std::string path = StrCat(group, "/", name);
      struct stat st;
      if (lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) groups.push_back(std::move(path));
    }
  }
  return groups;
}

void KillProcessesOf(const std::string& group) {
  auto text = os::ReadFile(group + "/cgroup.procs", 1 << 20);
  if (!text.ok()) return;
  for (const char *at = text->data(), *end = at + text->size(); at < end; at++) {
    pid_t pid = 0;
    auto [next, error] = std::from_chars(at, end, pid);
    // 0 stands for a process outside of our process namespace.
    if (error == std::errc() && pid > 1 && pid != getpid()) kill(pid, SIGKILL);
    at = std::find(next, end, '\n');
  }
}

bool RemoveGroup(const std::string& top) {
  if (!os::Exists(top)) return true;
  for (int round = 0; round < kRounds; round++) {
    std::vector<std::string> groups = GroupsOf(top);
    for (const std::string& group : groups) KillProcessesOf(group);
    std::reverse(groups.begin(), groups.end());
    for (const std::string& group : groups) rmdir(group.c_str());
    if (!os::Exists(top)) return true;
    CancelToken::Never().SleepFor(kPause).IgnoreError();
  }
  return false;
}

}  // namespace

bool RemoveStepCgroup(const std::string& path) {
  if (!path.starts_with('/') || path != os::CleanPath(path) || path == "/") return true;
  bool all = true;
  for (const std::string& hierarchy : Hierarchies()) all = RemoveGroup(hierarchy + path) && all;
  return all;
}

void RemoveEmptyCgroup(const std::string& path) {
  if (!path.starts_with('/')) return;
  for (const std::string& hierarchy : Hierarchies()) rmdir((hierarchy + path).c_str());
}

std::string CgroupPathOfBundle(const std::string& bundle) {
  auto text = os::ReadFile(bundle + "/config.json", kConfigLimit);
  if (!text.ok()) return "";
  nlohmann::json config = nlohmann::json::parse(*text, nullptr, false);
  if (!config.is_object()) return "";
  auto linux_part = config.find("linux");
  if (linux_part == config.end() || !linux_part->is_object()) return "";
  auto path = linux_part->find("cgroupsPath");
  return path != linux_part->end() && path->is_string() ? path->get<std::string>() : "";
}

}  // namespace bk::exec
