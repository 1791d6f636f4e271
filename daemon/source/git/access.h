// The way to a remote for the time of one step: a git with the client's credentials, its agent and the hosts it knows.
#pragma once

#include <memory>
#include <string>

#include "base/os/file.h"
#include "daemon/cache/ref.h"
#include "daemon/session/agent_socket.h"
#include "daemon/source/git/git_cli.h"
#include "daemon/source/git/remote.h"

namespace bk::source {

class RemoteAccess {
 public:
  static absl::StatusOr<RemoteAccess> Open(const CancelToken& cancel, session::Manager& sessions, const cache::FetchContext& context, const GitIdentifier& id, const Remote& remote,
                                                  uint64_t max_file_bytes);
  // Without a repository; all transports to remotes are allowed, none when the context is offline.
  const GitCli& git() const { return git_; }

 private:
  explicit RemoteAccess(GitCli git) : git_(std::move(git)) {}
  std::unique_ptr<session::AgentSocket> agent_;
  os::TempDir files_;
  GitCli git_;
};

}  // namespace bk::source
