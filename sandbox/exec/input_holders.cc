#include "sandbox/exec/input_holders.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "base/os/file.h"

namespace bk::exec {
namespace {

using Names = std::set<std::string>;  // "pipe:[1234]", "socket:[1234]"

std::string FdsOf(pid_t pid) { return StrCat("/proc/", pid, "/fd"); }

// A line "flags:\t0100001" in octal.
bool IsWriteOnly(pid_t pid, int fd) {
  std::string info = os::ReadFile(StrCat("/proc/", pid, "/fdinfo/", fd), 4096).value_or("");
  size_t at = info.find("flags:");
  return at != std::string::npos && (std::strtoul(info.c_str() + at + 6, nullptr, 8) & O_ACCMODE) == O_WRONLY;
}

struct Open {
  int fd;
  std::string name;
};
std::vector<Open> OpenIn(pid_t pid) {
  std::vector<Open> open;
  for (const std::string& fd : os::ListDir(FdsOf(pid)).value_or(std::vector<std::string>())) {
    if (auto name = os::ReadLink(StrCat(FdsOf(pid), "/", fd)); name.ok()) open.push_back({std::atoi(fd.c_str()), *std::move(name)});
  }
  return open;
}

bool Holds(pid_t pid, const Names& names) {
  std::vector<Open> open = OpenIn(pid);
  return std::any_of(open.begin(), open.end(), [&](const Open& file) { return names.contains(file.name); });
}

// What the runtime reads the input from, and the pipes that it may write it to: neither those of its own output nor what
// this process had when it began and everything that it starts has too.
Names InputsOf(pid_t runtime) {
  Names ours, names;
  for (Open& file : OpenIn(getpid())) ours.insert(std::move(file.name));
  for (const Open& file : OpenIn(runtime)) {
    bool may_write = file.fd > STDERR_FILENO && file.name.starts_with("pipe:") && !ours.contains(file.name) && IsWriteOnly(runtime, file.fd);
    if (file.fd == STDIN_FILENO || may_write) names.insert(file.name);
  }
  return names;
}

}  // namespace

bool ReadsInputOf(pid_t runtime, pid_t first) {
  Names names = InputsOf(runtime);
  if (names.empty() || !os::ListDir(FdsOf(first)).ok() || Holds(first, names)) return true;
  for (const std::string& entry : os::ListDir("/proc").value_or(std::vector<std::string>())) {
    pid_t pid = std::atoi(entry.c_str());
    if (pid > 0 && pid != getpid() && pid != runtime && Holds(pid, names)) return true;
  }
  return false;
}

}  // namespace bk::exec
