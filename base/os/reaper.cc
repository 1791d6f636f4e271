#include "base/os/reaper.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/os/file.h"

namespace bk::os {
namespace {

std::vector<pid_t> Children() {
  std::vector<pid_t> pids;
  auto text = ReadFile(StrCat("/proc/self/task/", getpid(), "/children"), 16 << 20);
  if (!text.ok()) text = ReadFile("/proc/thread-self/children", 16 << 20);  // /proc of another pid namespace
  if (!text.ok()) return pids;
  pid_t pid = 0;
  for (char c : *text) {
    if (c >= '0' && c <= '9') {
      pid = pid * 10 + (c - '0');
    } else if (pid > 0) {
      pids.push_back(pid);
      pid = 0;
    }
  }
  return pids;
}

}  // namespace

absl::Status BecomeSubreaper() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return ErrnoError(errno, "prctl PR_SET_CHILD_SUBREAPER");
  return absl::OkStatus();
}

std::optional<int> ReapEnded(pid_t watched) {
  std::optional<int> found;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) != 0;) {
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) break;
    if (pid == watched) found = status;
  }
  return found;
}

int EndDescendants() {
  int ended = 0;
  // Killing a child hands its children to us, so the loop goes one generation down a round.
  for (int idle = 0; idle < 600;) {
    for (pid_t pid : Children()) kill(pid, SIGKILL);
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid < 0 && errno == ECHILD) break;
    if (pid > 0) {
      ended++;
      continue;
    }
    idle++;
    poll(nullptr, 0, 5);
  }
  return ended;
}

}  // namespace bk::os
