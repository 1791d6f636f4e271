#include "rootlesskit/stage/report.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/log.h"

namespace bk::rootlesskit {
namespace {

constexpr char kExitDetail[] = "rootlesskit.ExitCode";
std::string_view g_stage = "parent";

}  // namespace

absl::Status WithExitCode(absl::Status status, ExitCode code) {
  if (!status.ok() && !HasDetail(status, kExitDetail)) AddDetail(status, {kExitDetail, std::to_string(static_cast<int>(code))});
  return status;
}

int ExitCodeOf(const absl::Status& status) {
  for (const ErrorDetail& detail : Details(status)) {
    if (detail.type == kExitDetail) return std::atoi(detail.json.c_str());
  }
  return static_cast<int>(ExitCode::kFailure);
}

void SpeakAs(std::string_view stage) { g_stage = stage; }

void ReportError(std::string_view message) {
  std::string line = StrCat("[rootlesskit:", g_stage, "] error: ", message, "\n");
  [[maybe_unused]] ssize_t n = write(STDERR_FILENO, line.data(), line.size());
}

void Warn(std::string_view message) { log::Warning(StrCat("[rootlesskit:", g_stage, "] ", message)); }
void Debug(std::string_view message) {
  if (log::Enabled(log::Level::kDebug)) log::Debug(StrCat("[rootlesskit:", g_stage, "] ", message));
}

std::string SignalName(int signal) {
  // Go's table for Linux; it ends at 15.
  static constexpr const char* kNames[] = {"", "hangup", "interrupt", "quit", "illegal instruction", "trace/breakpoint trap", "aborted", "bus error",
                                           "floating point exception", "killed", "user defined signal 1", "segmentation fault",
                                           "user defined signal 2", "broken pipe", "alarm clock", "terminated"};
  if (signal > 0 && static_cast<size_t>(signal) < std::size(kNames)) return kNames[signal];
  return StrCat("signal ", signal);
}

std::string DescribeEnd(int wait_status) {
  if (WIFEXITED(wait_status)) return StrCat("exit status ", WEXITSTATUS(wait_status));
  return StrCat("signal: ", SignalName(WTERMSIG(wait_status)), WCOREDUMP(wait_status) ? " (core dumped)" : "");
}

int ExitCodeOfEnd(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : kSignalExitCode; }

std::string BracketWords(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const std::string& word : words) out += (out.size() > 1 ? " " : "") + word;
  return out + "]";
}

}  // namespace bk::rootlesskit
