// Containers that frontends run beside the steps of their build (LLBBridge NewContainer to ReleaseContainer), as frontends
// see them. Made by Bridge::NewContainer; implemented in daemon/frontend/container.
//
// Thread-safe. A container must not outlive its build.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "daemon/frontend/file_stat.h"
#include "llb/ops.pb.h"

namespace bk::frontend {

class Ref;
using RefPtr = std::shared_ptr<Ref>;

struct ContainerMount {
  pb::Mount mount;  // input and output mean nothing
  // The tree it begins with: `ref`, or what a failed step left (an id of the Solve detail), or an empty one.
  RefPtr ref;
  std::string result_id;
};

struct ContainerRequest {
  std::string id;
  std::vector<ContainerMount> mounts;  // one of them at "/"
  pb::NetMode network = pb::NetMode::UNSET;
  std::vector<pb::HostIP> extra_hosts;
  std::string hostname;
  std::string platform_os;  // says which PATH a process gets that has none; "" = linux
  // Read-only directories with small files of the daemon: directory in the container → name → content.
  std::map<std::string, std::map<std::string, std::string>> files;
};

struct ProcessRequest {
  pb::Meta meta;
  std::vector<pb::SecretEnv> secret_env;
  pb::SecurityMode security = pb::SecurityMode::SANDBOX;
  bool tty = false;
  // Borrowed until the process is over; -1: nothing to read, and what it writes goes to `output`.
  int stdin_fd = -1, stdout_fd = -1;
  std::function<void(int fd, std::string_view bytes)> output;  // fd 1 or 2; from a thread of its own
};

// How a process ended: OK with code 0; `exit code: N` with an ExitMessage detail; or what kept it from running, with
// code 255.
struct ProcessEnd {
  int code = 0;
  absl::Status error;
};

// One process of a container. The destructor kills it and waits.
class ContainerProcess {
 public:
  virtual ~ContainerProcess() = default;
  virtual void Signal(int number) = 0;
  virtual void Resize(uint16_t rows, uint16_t columns) = 0;
  virtual void Kill() = 0;  // and does not wait
  // Blocks until it is over and `output` is not called any more.
  virtual ProcessEnd Wait() = 0;
  // The same for at most `time`; whether it is over.
  virtual bool WaitFor(std::chrono::milliseconds time) = 0;
  // Whether it, or a process that it began, can still read what comes on `stdin_fd`; true too when that cannot be told.
  virtual bool ReadsInput() = 0;
};

// The destructor releases it.
class Container {
 public:
  virtual ~Container() = default;
  // The first one is the container's own: all others end with it. One that fails ends all others.
  virtual absl::StatusOr<std::unique_ptr<ContainerProcess>> Start(const CancelToken& cancel, ProcessRequest request) = 0;
  // Below the mount of this index, as it is just now. Paths are absolute.
  virtual absl::StatusOr<std::string> ReadFile(int mount, const std::string& path, int64_t offset, int64_t length) = 0;
  virtual absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken& cancel, int mount, const std::string& path, const std::string& include_pattern) = 0;
  virtual absl::StatusOr<FileStat> StatFile(int mount, const std::string& path) = 0;
  // Kills what runs, waits, unmounts; nothing starts any more. The first error of a process.
  virtual absl::Status Release() = 0;
};

}  // namespace bk::frontend
