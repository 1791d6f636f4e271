// The mounts of an exec op: from inputs, caches, secrets, ssh agents and tmpfs to values for the executor, and what becomes an output.
//
// Everything is held by PreparedMounts: it gives back mounts, secrets, sockets, cache trees and unfinished snapshots on every path.
#pragma once

#include <memory>
#include <vector>

#include "daemon/ops/cache_mounts.h"
#include "daemon/ops/ops.h"
#include "daemon/ops/secret_mount.h"
#include "daemon/session/agent_socket.h"

namespace bk::ops {

struct PreparedMounts {
  struct Output {
    cache::MutablePtr written;      // to be committed; or
    cache::ImmutablePtr unchanged;  // the input as it was
    size_t mount = 0;               // index in the op
  };
  struct Scratch {
    cache::MutablePtr written;
    size_t mount = 0;
  };
  bool readonly_root = false;
  std::vector<os::Mount> root;
  std::vector<exec::StepMount> mounts;  // parents before what is below them
  std::vector<Output> outputs;          // in the order of mounts

  // Held for the run. The mounts end before the trees they show (reverse order).
  std::vector<Scratch> scratch;
  std::vector<CacheMountPtr> caches;
  std::vector<std::unique_ptr<SecretMount>> secrets;
  std::vector<std::unique_ptr<session::AgentSocket>> agents;
  std::vector<std::unique_ptr<cache::ActiveMount>> active;

  // Ends the mounts; outputs and scratch trees may be committed now.
  void Unmount();
};

struct MountContext {
  cache::CacheManager* cache = nullptr;
  session::Manager* sessions = nullptr;
  CacheMounts* cache_mounts = nullptr;
  cache::FetchContext fetch;
};

// Unknown with the reference's texts for mounts that make no sense.
absl::StatusOr<PreparedMounts> PrepareMounts(const CancelToken& cancel, const MountContext& context, const pb::ExecOp& op, const std::vector<cache::ImmutablePtr>& inputs);

// The arguments in one line, as texts about the step have them.
std::string CommandLine(const pb::ExecOp& op);

}  // namespace bk::ops
