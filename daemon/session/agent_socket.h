// A socket on which a client's ssh agent answers, for programs that the daemon starts and for steps ($SSH_AUTH_SOCK).
//
// One thread waits for connections, one more a connection; all end with the object. The directory that it lies in is its own.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/os/file.h"
#include "base/os/unique_fd.h"
#include "base/task_group.h"
#include "daemon/session/session.h"

namespace bk::session {

class AgentSocket {
 public:
  // Who may use the socket.
  struct Access {
    uint32_t uid = 0, gid = 0;
    uint32_t mode = 0700;  // low nine bits
  };
  // Of the first session that forwards an agent under `id`. Unknown `no SSH key ID forwarded from the client` if none does.
  static absl::StatusOr<std::unique_ptr<AgentSocket>> Open(const CancelToken& cancel, Manager& sessions, const std::vector<std::string>& session_ids, const std::string& id, const Access& access);
  AgentSocket(const CancelToken& cancel, std::shared_ptr<Session> client, std::string id, os::TempDir dir, os::UniqueFd listener);
  ~AgentSocket();
  std::string path() const { return dir_.path() + "/ssh_auth_sock"; }

 private:
  void Accept();

  const std::shared_ptr<Session> client_;
  const std::string id_;
  const os::TempDir dir_;
  const os::UniqueFd listener_;
  CancelSource cancel_;
  TaskGroup threads_;
};

}  // namespace bk::session
