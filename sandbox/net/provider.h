// Private networks of steps. A step joins a network namespace that a Provider lends it; host and none need no provider.
#pragma once

#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/status.h"

namespace bk::net {

// A network namespace, lent for as long as this lives.
class Namespace {
 public:
  virtual ~Namespace() = default;
  // A file that setns(2) and OCI runtimes take.
  virtual const std::string& path() const = 0;
};

// Outlives the namespaces that it lends. Thread-safe.
class Provider {
 public:
  virtual ~Provider() = default;
  // `hostname`: the step's own name, "" = none. Blocks while a network is set up. Unknown `CNI setup error: …`.
  virtual absl::StatusOr<std::unique_ptr<Namespace>> Get(const CancelToken& cancel, const std::string& hostname) = 0;
};

}  // namespace bk::net
