#include "rootlesskit/child/child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/go_parse.h"
#include "rootlesskit/child/command.h"
#include "rootlesskit/child/copy_up.h"
#include "rootlesskit/child/mounts.h"
#include "rootlesskit/child/network.h"
#include "rootlesskit/stage/protocol.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr int64_t kMaxReexecs = 5;

absl::StatusOr<Channel> OpenChannel() {
  const char* text = getenv(kChannelEnv);
  auto fd = ParseInt(text == nullptr ? "" : text, 10, 32);
  if (!fd.ok() || *fd < 3 || fcntl(static_cast<int>(*fd), F_GETFD) < 0) return InvalidArgument(kChannelEnv, " does not name a descriptor");
  return Channel(os::UniqueFd(static_cast<int>(*fd)));
}

bool HasCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return syscall(SYS_capget, &header, data) == 0 && (data[0].effective != 0 || data[1].effective != 0);
}

// Becomes this program again, with the same pid; returns only on failure. The count in the environment carries namespace
// and pid, so that a launcher inside the command starts at 0; it stays there for the command, as the original's does.
absl::Status ExecuteAgain(char** argv) {
  struct stat st {};
  stat("/proc/self/ns/pid", &st);
  std::string name = StrCat(kReexecPrefix, st.st_ino, "_", getpid());
  const char* before = getenv(name.c_str());
  int64_t count = before == nullptr ? 0 : ParseInt(before).value_or(kMaxReexecs);
  if (count >= kMaxReexecs) return FailedPrecondition("no capabilities were gained by executing the child again (", name, "=", count, ")");
  setenv(name.c_str(), StrCat(count + 1).c_str(), 1);
  execv("/proc/self/exe", argv);
  return ErrnoError(errno, "execute the child again");
}

// The signal for the parent's death was lost with the gain of capabilities (prctl(2)); it is set again here, and taken
// away once the channel is watched, which ends more than this one process.
absl::Status DieWithParent(const Channel& channel) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return ErrnoError(errno, "prctl PR_SET_PDEATHSIG");
  pollfd gone{channel.fd(), 0, 0};
  if (poll(&gone, 1, 0) > 0) return Unavailable("the parent has ended");
  return absl::OkStatus();
}

absl::Status SetUp(const Options& options, Channel& channel) {
  if (options.pidns) MountProc();
  BK_RETURN_IF_ERROR(channel.Send({PacketKind::kReady}));
  BK_TRY(Packet network, channel.Receive(PacketKind::kNetwork));
  BK_RETURN_IF_ERROR(SetPropagation(options.propagation));
  BK_RETURN_IF_ERROR(CopyUp(options.copy_up));
  BK_RETURN_IF_ERROR(MountSys(options));
  const char* state_dir = getenv(kStateDirEnv);
  BK_RETURN_IF_ERROR(SetUpNetwork(options, network.network, state_dir != nullptr ? state_dir : ""));
  BK_RETURN_IF_ERROR(channel.Send({PacketKind::kConfigured}));
  return channel.Receive(PacketKind::kStart).status();
}

}  // namespace

bool IsChild() { return getenv(kChannelEnv) != nullptr; }

absl::StatusOr<int> RunChild(const Options& options, char** argv) {
  BK_TRY(Channel channel, OpenChannel());
  if (!HasCapabilities()) {
    BK_RETURN_IF_ERROR(channel.Receive(PacketKind::kMapped));
    return ExecuteAgain(argv);
  }
  fcntl(channel.fd(), F_SETFD, FD_CLOEXEC);
  unsetenv(kChannelEnv);
  BK_RETURN_IF_ERROR(DieWithParent(channel));
  BK_RETURN_IF_ERROR(SetUp(options, channel));
  prctl(PR_SET_PDEATHSIG, 0);
  auto end = RunCommand(options, channel);
  if (end.status().code() == absl::StatusCode::kUnavailable) return kSignalExitCode;  // nobody is left to be told
  std::string failure = end.ok() ? DescribeEnd(*end) : Message(end.status());
  if (end.ok() && *end == 0) return 0;
  ReportError(StrCat("command ", BracketWords(options.command), " exited: ", failure));
  return end.ok() ? ExitCodeOfEnd(*end) : static_cast<int>(ExitCode::kFailure);
}

}  // namespace bk::rootlesskit
