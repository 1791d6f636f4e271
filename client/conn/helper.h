// A program that carries the connection on its stdin and stdout: `docker exec -i … buildctl dial-stdio` and its like.
//
// It runs in a session of its own, so that ^C reaches it only through us: the build is cancelled over the connection first.
// What it says on stderr is kept (its end), for the error. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/os/process.h"
#include "base/os/unique_fd.h"

namespace bk::client {

class Helper {
 public:
  // NotFound if the program is not there.
  static absl::StatusOr<std::unique_ptr<Helper>> Start(const std::vector<std::string>& command);
  // Its end of the connection is closed by then; it gets a moment, then SIGTERM, then SIGKILL.
  ~Helper();

  // Non-blocking; once.
  os::UniqueFd TakeConnection() { return std::move(connection_); }
  // Why there is no connection; waits a moment for the program's end, to tell its exit code and last words. "" while it runs.
  std::string WhyBroken();

 private:
  Helper() = default;
  void KeepLastWords();

  std::vector<std::string> command_;
  os::UniqueFd connection_, errors_, stop_read_, stop_write_;
  std::mutex ending_;  // the next two
  os::Process process_;
  std::string outcome_;
  std::mutex mutex_;  // the next two
  std::string words_;
  bool all_said_ = false;
  std::condition_variable said_;
  std::thread thread_;
};

}  // namespace bk::client
