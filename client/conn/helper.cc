#include "client/conn/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace bk::client {
namespace {

constexpr size_t kKeptBytes = 4096;
constexpr std::chrono::milliseconds kMoment(1000);

std::string Outcome(const os::ExitStatus& status) {
  if (status.signal != 0) return StrCat("signal: ", strsignal(status.signal));
  return StrCat("exit status ", status.code);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Helper>> Helper::Start(const std::vector<std::string>& command) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoError(errno, "socketpair");
  os::UniqueFd ours(ends[0]), its(ends[1]);
  if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, "fcntl");
  BK_TRY(os::Pipe errors, os::MakePipe());
  BK_TRY(os::Pipe stop, os::MakePipe());
  os::ProcessOptions options;
  options.argv = command;
  options.fds = {{its.get(), 0}, {its.get(), 1}, {errors.write.get(), 2}};
  auto process = os::Process::Start(options);
  if (!process.ok()) return Error(process.status().code(), StrCat("exec: ", Quote(command[0]), ": ", absl::IsNotFound(process.status()) ? "executable file not found in $PATH" : Message(process.status())));
  std::unique_ptr<Helper> helper(new Helper());
  helper->command_ = command;
  helper->connection_ = std::move(ours);
  helper->errors_ = std::move(errors.read);
  helper->stop_read_ = std::move(stop.read);
  helper->stop_write_ = std::move(stop.write);
  helper->process_ = *std::move(process);
  helper->thread_ = std::thread([h = helper.get()] { h->KeepLastWords(); });
  return helper;
}

Helper::~Helper() {
  connection_.Reset();
  if (process_.running() && !process_.WaitFor(kMoment).ok()) {
    process_.KillGroup(SIGTERM);
    (void)process_.WaitFor(kMoment);
  }
  process_ = os::Process();  // kills what is left
  stop_write_.Reset();
  thread_.join();
}

void Helper::KeepLastWords() {
  std::string piece(kKeptBytes, '\0');
  pollfd fds[2] = {{errors_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
  while (true) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (fds[1].revents != 0) break;
    if (fds[0].revents == 0) continue;
    ssize_t n = read(errors_.get(), piece.data(), piece.size());
    if (n <= 0) break;
    std::lock_guard lock(mutex_);
    words_.append(piece, 0, static_cast<size_t>(n));
    if (words_.size() > kKeptBytes) words_.erase(0, words_.size() - kKeptBytes);
  }
  std::lock_guard lock(mutex_);
  all_said_ = true;
  said_.notify_all();
}

std::string Helper::WhyBroken() {
  std::lock_guard ending(ending_);
  if (outcome_.empty()) {
    auto status = process_.WaitFor(kMoment);
    if (!status.ok()) return "";
    outcome_ = Outcome(*status);
  }
  std::string all;
  for (const std::string& word : command_) all += (all.empty() ? "" : " ") + word;
  // Its end is known before its words are read; what it left running may hold them open.
  std::unique_lock lock(mutex_);
  said_.wait_for(lock, kMoment, [this] { return all_said_; });
  while (!words_.empty() && words_.back() == '\n') words_.pop_back();
  return StrCat("command [", all, "] has exited with ", outcome_, ", make sure the URL is valid, and buildctl is installed on the remote host: stderr=", words_);
}

}  // namespace bk::client
