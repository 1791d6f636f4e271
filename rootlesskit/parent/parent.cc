#include "rootlesskit/parent/parent.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/go_parse.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "base/os/reaper.h"
#include "rootlesskit/api/server.h"
#include "rootlesskit/net/plan.h"
#include "rootlesskit/net/slirp4netns.h"
#include "rootlesskit/parent/id_map.h"
#include "rootlesskit/parent/preflight.h"
#include "rootlesskit/parent/state_dir.h"
#include "rootlesskit/stage/protocol.h"
#include "rootlesskit/stage/report.h"
#include "rootlesskit/stage/signals.h"

extern char** environ;

namespace bk::rootlesskit {
namespace {

constexpr int kFirstListenFd = 3;  // sd_listen_fds(3)
constexpr int kMaxListenFds = 1024;

// How many sockets systemd gave to this very process.
int ListenFds() {
  const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr) return 0;
  auto for_pid = ParseInt(pid), number = ParseInt(count);
  if (!for_pid.ok() || !number.ok() || *for_pid != getpid() || *number <= 0 || *number > kMaxListenFds) return 0;
  return static_cast<int>(*number);
}

std::vector<std::string> ChildEnvironment(const std::string& state_dir, int channel_fd, int listen_fds) {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; entry++) {
    std::string_view name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    if (name != kStateDirEnv && name != kParentEuidEnv && name != kParentEgidEnv && name != kListenFdsEnv) env.emplace_back(*entry);
  }
  env.push_back(StrCat(kStateDirEnv, "=", state_dir));
  env.push_back(StrCat(kParentEuidEnv, "=", geteuid()));
  env.push_back(StrCat(kParentEgidEnv, "=", getegid()));
  env.push_back(StrCat(kChannelEnv, "=", channel_fd));
  if (listen_fds > 0) env.push_back(StrCat(kListenFdsEnv, "=", listen_fds));
  return env;
}

uint64_t NamespaceFlags(const Options& options) {
  uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS;
  if (!options.host_network()) flags |= CLONE_NEWNET;
  if (options.pidns) flags |= CLONE_NEWPID;
  if (options.cgroupns) flags |= CLONE_NEWCGROUP;
  if (options.utsns) flags |= CLONE_NEWUTS;
  if (options.ipcns) flags |= CLONE_NEWIPC;
  return flags;
}

// Everything that lives as long as the child, in the order of acquisition.
class Launch {
 public:
  Launch(const Options& options, const NetworkPlan& plan, StateDir& state, SignalQueue& signals, Channel channel)
      : options_(options), plan_(plan), state_(state), signals_(signals), channel_(std::move(channel)) {}

  absl::Status StartChild(const std::vector<std::string>& words, Channel child_end);
  absl::Status SetUp(const IdMaps& maps);
  absl::StatusOr<int> Supervise();
  // The child's end before the set-up was done; it has said why itself.
  std::optional<int> FailedChild();

 private:
  absl::Status WaitReadable(int fd);
  absl::StatusOr<Packet> Receive(PacketKind kind);
  absl::StatusOr<int> ChildEnded();

  const Options& options_;
  const NetworkPlan& plan_;
  StateDir& state_;
  SignalQueue& signals_;
  Channel channel_;
  os::Process child_;
  std::optional<Slirp4netns> slirp_;
  std::optional<ApiServer> api_;
};

absl::Status Launch::StartChild(const std::vector<std::string>& words, Channel child_end) {
  int listen_fds = ListenFds();
  int channel_fd = kFirstListenFd + listen_fds;
  os::ProcessOptions start;
  start.argv = {"/proc/self/exe"};
  start.argv.insert(start.argv.end(), words.begin(), words.end());
  start.env = ChildEnvironment(state_.path(), channel_fd, listen_fds);
  start.replace_env = true;
  start.inherit_stdio = true;
  start.new_session = false;  // the command may want the terminal
  start.keep_ignored = true;
  start.parent_death_signal = SIGKILL;
  start.clone_flags = NamespaceFlags(options_);
  for (int i = 0; i < listen_fds; i++) start.fds.emplace_back(kFirstListenFd + i, kFirstListenFd + i);
  start.fds.emplace_back(child_end.fd(), channel_fd);
  auto child = os::Process::Start(start);
  if (!child.ok()) return UserNamespaceRefused(child.status());
  child_ = *std::move(child);
  return absl::OkStatus();
}

// Signals that end a program end the set-up; all others have no receiver yet.
absl::Status Launch::WaitReadable(int fd) {
  pollfd waits[2] = {{fd, POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
  while (waits[0].revents == 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    while (auto signal = signals_.Next()) {
      int number = static_cast<int>(signal->ssi_signo);
      if (IsTermination(number)) return Cancelled("interrupted while setting up: ", SignalName(number));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Packet> Launch::Receive(PacketKind kind) {
  BK_RETURN_IF_ERROR(WaitReadable(channel_.fd()));
  return channel_.Receive(kind);
}

absl::Status Launch::SetUp(const IdMaps& maps) {
  if (auto mapped = WriteIdMaps(child_.pid(), maps); !mapped.ok()) return Annotate(mapped, "failed to setup UID/GID map");
  BK_RETURN_IF_ERROR(channel_.Send({PacketKind::kMapped}));
  BK_RETURN_IF_ERROR(Receive(PacketKind::kReady));
  Packet network{PacketKind::kNetwork};
  if (plan_.driver == NetworkDriver::kSlirp4netns) {
    auto slirp = Slirp4netns::Start(plan_, child_.pid(), [this](int fd) { return WaitReadable(fd); });
    if (!slirp.ok()) return Annotate(slirp.status(), "failed to setup network");
    slirp_ = *std::move(slirp);
    BK_ASSIGN(network.network, SetupFor(plan_));
  }
  BK_RETURN_IF_ERROR(channel_.Send(network));
  BK_RETURN_IF_ERROR(Receive(PacketKind::kConfigured));
  BK_RETURN_IF_ERROR(os::WriteFile(os::JoinPath(state_.path(), "child_pid"), StrCat(child_.pid()), 0444));
  ApiInfo info{state_.path(), child_.pid(), options_.host_network() ? "" : options_.net, network.network};
  BK_ASSIGN(api_, ApiServer::Listen(os::JoinPath(state_.path(), "api.sock"), info));
  return channel_.Send({PacketKind::kStart});
}

absl::StatusOr<int> Launch::ChildEnded() {
  BK_TRY(os::ExitStatus end, child_.Wait(CancelToken::Never()));
  int wait_status = end.signal != 0 ? end.signal : end.code << 8;
  if (wait_status != 0) ReportError(StrCat("child exited: ", DescribeEnd(wait_status)));
  return ExitCodeOfEnd(wait_status);
}

absl::StatusOr<int> Launch::Supervise() {
  while (true) {
    std::vector<pollfd> waits = {{child_.pidfd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {slirp_ ? slirp_->output_fd() : -1, POLLIN, 0}};
    api_->AddWaits(waits);
    if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    while (auto signal = signals_.Next()) PassOn(*signal, child_.pid());
    if (waits[0].revents != 0) return ChildEnded();
    if (waits[2].revents != 0) slirp_->DrainOutput();
    api_->Serve();
  }
}

std::optional<int> Launch::FailedChild() {
  auto end = child_.WaitFor(std::chrono::seconds(1));
  if (!end.ok() || end->signal != 0 || end->code == 0) return std::nullopt;
  return end->code;
}

}  // namespace

absl::StatusOr<int> RunParent(const Options& options, const std::vector<std::string>& words) {
  BK_RETURN_IF_ERROR(CheckOptions(options));
  BK_TRY(SignalQueue signals, SignalQueue::Block());
  BK_TRY(StateDir state, StateDir::Open(options.state_dir));
  BK_TRY(NetworkPlan plan, PlanNetwork(options));
  state.RemoveAtEnd();
  BK_RETURN_IF_ERROR(CheckPreflight(options));
  if (plan.driver == NetworkDriver::kSlirp4netns) BK_RETURN_IF_ERROR(CheckTunDevice());
  auto maps = ComputeIdMaps(options.subid_source);
  if (!maps.ok()) return Annotate(maps.status(), "failed to setup UID/GID map: failed to compute uid/gid map");
  BK_RETURN_IF_ERROR(os::BecomeSubreaper());

  absl::StatusOr<int> code;
  {
    BK_TRY(Channel::Pair channels, Channel::MakePair());
    Launch launch(options, plan, state, signals, std::move(channels.parent));
    BK_RETURN_IF_ERROR(launch.StartChild(words, std::move(channels.child)));
    absl::Status set_up = launch.SetUp(*maps);
    if (set_up.ok()) {
      code = launch.Supervise();
    } else if (auto failed = set_up.code() == absl::StatusCode::kUnavailable ? launch.FailedChild() : std::nullopt) {
      code = *failed;
    } else {
      code = set_up;
    }
  }
  // What outlived the child (it was killed itself, or has no pid namespace) must not outlive the launcher.
  os::EndDescendants();
  return code;
}

}  // namespace bk::rootlesskit
