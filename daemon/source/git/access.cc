#include "daemon/source/git/access.h"

#include <unistd.h>

namespace bk::source {

absl::StatusOr<RemoteAccess> RemoteAccess::Open(const CancelToken& cancel, session::Manager& sessions, const cache::FetchContext& context, const GitIdentifier& id, const Remote& remote,
                                              uint64_t max_file_bytes) {
  GitSettings settings;
  if (context.offline) {
    settings.progress = context.progress;
    return RemoteAccess(GitCli(settings));
  }
  BK_TRY(GitCredentials credentials, AskCredentials(cancel, sessions, context.session_ids, id, remote));
  settings.config = std::move(credentials.config);
  settings.secrets = std::move(credentials.secrets);
  settings.protocols = kRemoteProtocols;
  settings.max_file_bytes = max_file_bytes;
  settings.progress = context.progress;
  RemoteAccess out{GitCli(settings)};
  if (!id.mount_ssh_sock.empty()) {
    BK_ASSIGN(out.agent_, session::AgentSocket::Open(cancel, sessions, context.session_ids, id.mount_ssh_sock, {geteuid(), getegid()}));
    settings.ssh_auth_socket = out.agent_->path();
  }
  if (!id.known_ssh_hosts.empty()) {
    BK_ASSIGN(out.files_, os::TempDir::Make("git-access-"));
    settings.known_hosts_file = out.files_.path() + "/known_hosts";
    BK_RETURN_IF_ERROR(os::WriteFile(settings.known_hosts_file, id.known_ssh_hosts, 0600));
  }
  out.git_ = GitCli(std::move(settings));
  return out;
}

}  // namespace bk::source
