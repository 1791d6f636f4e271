// Runs the git program, cut off from the machine's and any user's settings (SRC-070, hostile 36, 38).
//
// No system, user or repository-chosen configuration, no hooks, no prompts, no transports but those named, no background
// work that outlives the call; umask 022. Settings travel in the environment: a secret never stands on a command line.
// What git prints goes to the step's log without the secrets. Values; thread-safe; Run blocks.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "daemon/solver/progress.h"

namespace bk::source {

struct GitSettings {
  std::string git_dir;     // "": none, whatever the current directory is
  std::string work_tree;   // "": none
  std::string index_file;  // "": git's own
  std::vector<std::pair<std::string, std::string>> config;
  std::string protocols;  // "https:ssh"; "": no transport at all
  std::string ssh_auth_socket, known_hosts_file;
  uint64_t max_file_bytes = 0;  // of any file that git writes; 0: what the disk takes
  std::vector<std::string> secrets;  // replaced by xxxxx wherever git repeats them
  solver::VertexProgress progress;
};

inline constexpr char kRemoteProtocols[] = "http:https:ssh:git";
inline constexpr char kLocalProtocol[] = "file";

class GitCli {
 public:
  explicit GitCli(GitSettings settings) : settings_(std::move(settings)) {}
  const GitSettings& settings() const { return settings_; }
  // The same with other settings.
  template <typename F>
  GitCli With(F&& change) const {
    GitSettings settings = settings_;
    change(settings);
    return GitCli(std::move(settings));
  }

  enum class Show { kAll, kErrors, kNothing };  // of the output in the step's log
  // stdout of `git ARGS`. Unknown `git stderr:\nTEXT: exit status N`; FailedPrecondition when there is no git program;
  // the cause when cancelled: the group of processes gets SIGTERM, and SIGKILL if it has not ended ten seconds later.
  absl::StatusOr<std::string> Run(const CancelToken& cancel, const std::vector<std::string>& args, Show show = Show::kAll) const;
  // As Run for what asks a remote: begins anew, three times at most and ever later, when the connection broke; and without
  // "--depth=1" when the server cannot do that. FailedPrecondition without any protocol: nothing is started.
  absl::StatusOr<std::string> RunRemote(const CancelToken& cancel, std::vector<std::string> args) const;

  // `text` without the secrets.
  std::string Redact(std::string text) const;

 private:
  GitSettings settings_;
};

// Whether `message` of a failed git tells of a broken connection or a server that is overloaded, rather than of a refusal.
bool IsBrokenConnection(std::string_view message);
// 40 or 64 lower-case hex digits.
bool IsObjectId(std::string_view text);

}  // namespace bk::source
