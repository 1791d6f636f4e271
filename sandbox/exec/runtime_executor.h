// The Executor over an OCI runtime program (runc, crun): a bundle a step at <root>/<id>.
//
// What a crash leaves there is removed at the next start; the directory belongs to one daemon at a time. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/exec/executor.h"
#include "sandbox/net/provider.h"
#include "sandbox/oci/host.h"
#include "sandbox/oci/resolv_conf.h"

namespace bk::exec {

struct RuntimeOptions {
  std::string root;    // state directory of the executor, absolute
  std::string binary;  // "" = the first of buildkit-runc, runc, crun that works
  bool rootless = false;
  bool process_sandbox = true;
  bool no_network = false;    // steps that do not ask for a network get none (else `network`, or the host's)
  net::Provider* network = nullptr;  // outlives the executor
  std::string cgroup_parent;  // "" = none
  oci::DnsConfig dns;
  std::optional<oci::HostFacts> host;  // empty: found out
};

// Ends the steps that an earlier daemon left running there, and removes them. To be called before the trees that they write
// into are removed (cache::StoreOptions::before_recovery); costs one listing when there are none.
absl::Status EndStepsOfEarlierDaemon(const RuntimeOptions& options);

// Sets up one container on trial. FailedPrecondition when no runtime is found or the one asked for cannot work here (the
// message says why and the fix); protections that only the machine lacks are given up with a warning.
absl::StatusOr<std::unique_ptr<Executor>> MakeRuntimeExecutor(const RuntimeOptions& options);

}  // namespace bk::exec
