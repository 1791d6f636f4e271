#include "rootlesskit/net/slirp4netns.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/file.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr int kReadyFd = 3, kExitFd = 4;  // in slirp4netns

std::string OneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text.empty() ? "no message" : text;
}

}  // namespace

std::vector<std::string> SlirpArguments(const NetworkPlan& plan, pid_t child) {
  std::vector<std::string> words = {"--mtu", StrCat(plan.mtu), "-r", StrCat(kReadyFd), "-e", StrCat(kExitFd)};
  if (plan.disable_host_loopback) words.push_back("--disable-host-loopback");
  if (plan.cidr) words.insert(words.end(), {"--cidr", plan.cidr->text});
  if (plan.sandbox) words.push_back("--enable-sandbox");
  if (plan.seccomp) words.push_back("--enable-seccomp");
  if (plan.ipv6) words.push_back("--enable-ipv6");
  words.insert(words.end(), {StrCat(child), plan.device});
  return words;
}

absl::Status CheckTunDevice(const std::string& path) {
  // Opening it makes no device yet; that is TUNSETIFF.
  os::UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd) return absl::OkStatus();
  std::string fix;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    fix = "as root: modprobe tun; in a container: --device /dev/net/tun; or use --net=host";
  } else {
    fix = StrCat("as root: chmod 0666 ", path, "; or use --net=host");
  }
  return WithExitCode(Annotate(Error(absl::StatusCode::kFailedPrecondition, ErrnoText(errno), " (", fix, ")"), StrCat("open ", path, " for --net=slirp4netns")),
                      ExitCode::kNoTunDevice);
}

absl::StatusOr<Slirp4netns> Slirp4netns::Start(const NetworkPlan& plan, pid_t child, const std::function<absl::Status(int fd)>& wait) {
  BK_RETURN_IF_ERROR(CheckTunDevice());
  BK_TRY(os::Pipe ready, os::MakePipe());
  BK_TRY(os::Pipe exit, os::MakePipe());
  BK_TRY(os::Pipe output, os::MakePipe());
  os::ProcessOptions options;
  options.argv = SlirpArguments(plan, child);
  options.argv.insert(options.argv.begin(), plan.binary);
  options.fds = {{output.write.get(), 1}, {output.write.get(), 2}, {ready.write.get(), kReadyFd}, {exit.read.get(), kExitFd}};
  options.parent_death_signal = SIGKILL;
  Debug(StrCat("starting ", BracketWords(options.argv)));
  Slirp4netns slirp;
  BK_ASSIGN(slirp.process_, os::Process::Start(options));
  slirp.exit_ = std::move(exit.write);
  slirp.output_ = std::move(output.read);
  fcntl(slirp.output_.get(), F_SETFL, O_NONBLOCK);
  output.write.Reset();
  ready.write.Reset();
  BK_RETURN_IF_ERROR(wait(ready.read.get()));
  char byte;
  ssize_t n = read(ready.read.get(), &byte, 1);
  if (n == 1) return slirp;
  // The end of the pipe: it closed it by ending. Its words explain why.
  slirp.process_.WaitFor(std::chrono::seconds(5)).IgnoreError();
  std::string words;
  char buffer[4096];
  while (words.size() < 65536 && (n = read(slirp.output_.get(), buffer, sizeof buffer)) > 0) words.append(buffer, static_cast<size_t>(n));
  return FailedPrecondition("slirp4netns failed: ", OneLine(words), " (", BracketWords(options.argv), ")");
}

void Slirp4netns::DrainOutput() {
  char buffer[4096];
  ssize_t n;
  while ((n = read(output_.get(), buffer, sizeof buffer)) > 0) {
    Debug(StrCat("network/slirp4netns: ", OneLine(std::string(buffer, static_cast<size_t>(n)))));
  }
  if (n < 0) return;  // nothing more for now
  output_.Reset();
  Warn("slirp4netns has ended: the network namespace has no connection any more (start the launcher again)");
}

}  // namespace bk::rootlesskit
