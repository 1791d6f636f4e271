// The HTTP API on <state directory>/api.sock (rootlesskit's API 1.1.3): GET /v1/info, and /v1/ports, which answers that
// there is no port driver.
//
// Runs inside the parent's poll loop: never blocks, keeps at most a few connections of a few KiB, one request each.
// Only the owner of the state directory can connect, but requests are bounded and checked all the same.
#pragma once

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/os/unique_fd.h"
#include "base/status.h"
#include "rootlesskit/stage/protocol.h"

namespace bk::rootlesskit {

struct ApiInfo {
  std::string state_dir;
  int child_pid = 0;
  std::string network_driver;  // "": the host's network
  NetworkSetup network;
};

struct HttpAnswer {
  int code = 200;
  std::string body;
};
// The answer to one request by method and path. Pure.
HttpAnswer AnswerRequest(std::string_view method, std::string_view path, const ApiInfo& info);

class ApiServer {
 public:
  static absl::StatusOr<ApiServer> Listen(const std::string& path, ApiInfo info);
  // Appends what to poll for.
  void AddWaits(std::vector<pollfd>& waits) const;
  // Does what is possible now: accepts, reads, answers.
  void Serve();

 private:
  struct Connection {
    os::UniqueFd fd;
    std::string in, out;
    bool answered = false;
  };
  ApiServer(os::UniqueFd fd, ApiInfo info) : listener_(std::move(fd)), info_(std::move(info)) {}
  void Accept();
  bool Advance(Connection& connection);  // false: done with it

  os::UniqueFd listener_;
  ApiInfo info_;
  std::vector<Connection> connections_;
};

}  // namespace bk::rootlesskit
