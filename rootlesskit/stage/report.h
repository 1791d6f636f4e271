// What the launcher says and how it ends: the lines on stderr and the exit codes. Documented in docs/rootless.md#exit-codes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::rootlesskit {

// Codes of a set-up that cannot work here. The command's own code is passed on as it is, so these are only unambiguous
// with a command that does not use them; the message on stderr always tells.
enum class ExitCode : int {
  kFailure = 1,             // anything else: wrong flags, a mount that failed
  kMapTool = 101,           // newuidmap or newgidmap is missing or has no privileges
  kNoSubIds = 102,          // no range for the user in /etc/subuid or /etc/subgid
  kNoUserNamespace = 103,   // the kernel or a security profile refuses user namespaces
  kNoTunDevice = 104,       // /dev/net/tun is missing or not accessible
  kNoSlirp4netns = 105,     // slirp4netns is missing or too old
  kStateDirectory = 106,    // the state directory cannot be used
};
inline constexpr int kSignalExitCode = 255;  // the command died of a signal

// `status` marked with the code to exit with. OK stays OK.
absl::Status WithExitCode(absl::Status status, ExitCode code);
int ExitCodeOf(const absl::Status& status);

// Which process speaks; set once at its start.
void SpeakAs(std::string_view stage);  // "parent", "child "
// "[rootlesskit:parent] error: <message>" on stderr.
void ReportError(std::string_view message);
void Warn(std::string_view message);
void Debug(std::string_view message);

// The end of a process from its waitpid(2) status, in Go's words: "exit status 3", "signal: killed (core dumped)".
std::string DescribeEnd(int wait_status);
std::string SignalName(int signal);
// The code to exit with when a child ended so: its own, or kSignalExitCode.
int ExitCodeOfEnd(int wait_status);
// "[sh -c exit 3]", Go's way to print a list of words.
std::string BracketWords(const std::vector<std::string>& words);

}  // namespace bk::rootlesskit
