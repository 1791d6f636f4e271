#include "client/cli/app.h"

#include <signal.h>

#include <cstdio>
#include <thread>

#include "base/log.h"
#include "base/version.h"
#include "client/cli/completion.h"
#include "client/cli/connect.h"
#include "client/cli/error_report.h"
#include "client/cli/verbs.h"
#include "client/progress/settings.h"

namespace bk::client {
namespace {

// SIGINT and SIGTERM as a token: the first one cancels, the third one ends the process.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGUSR2);  // ends the thread
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { Watch(); });
  }
  ~Signals() {
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  CancelToken token() const { return source_.token(); }

 private:
  void Watch() {
    for (int count = 0;;) {
      int number = 0;
      if (sigwait(&set_, &number) != 0 || number == SIGUSR2) return;
      if (++count == 1) source_.Cancel();
      if (count >= 3) {
        std::fprintf(stderr, "got 3 SIGTERM/SIGINTs, forcibly terminating\n");
        _exit(1);
      }
    }
  }
  sigset_t set_;
  CancelSource source_;
  std::thread thread_;
};

absl::Status ConfigureLog(const flags::Values& values) {
  std::string format = values.String("log-format");
  if (format != "json" && format != "text" && !format.empty()) return InvalidArgument("unsupported log type ", Quote(format));
  log::Configure(values.Bool("debug") ? log::Level::kDebug : log::Level::kInfo, format == "json" ? log::Format::kJson : log::Format::kText);
  return absl::OkStatus();
}

absl::Status Run(const flags::Parsed& parsed) {
  BK_RETURN_IF_ERROR(ConfigureLog(parsed.values));
  return parsed.command->action(parsed.values);
}

}  // namespace

int RunBuildctl(const std::vector<std::string>& args) {
  Signals signals;
  LogComplaints(ReadSettings(&ProcessEnvironment).complaints);  // whatever the command, before its flags are read, as the reference
  flags::Command root = MakeRoot(signals.token());
  if (!args.empty() && args.back() == kCompletionFlag) {
    std::fputs(CompletionText(Complete(root, {args.begin(), args.end() - 1})).c_str(), stdout);
    return 0;
  }
  std::string version_line = StrCat("buildctl ", kPackage, " ", kVersion, " ", kRevision);
  flags::Parsed parsed = flags::Parse(root, kVersion, version_line, args);
  std::fputs(parsed.out.c_str(), stdout);
  std::fputs(parsed.complaint.c_str(), stderr);
  absl::Status status = parsed.command != nullptr ? Run(parsed) : parsed.error;
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && status.ok()) status = Unavailable("cannot write to stdout");
  if (status.ok()) return parsed.exit_code;
  PrintError(stderr, status);
  return 1;
}

}  // namespace bk::client
