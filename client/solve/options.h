// What a build is asked to do, as values; the command line fills it, Solve runs it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/impl/service_type.h>

#include "base/os/unique_fd.h"
#include "client/session/blob_store.h"
#include "llb/ops.pb.h"
#include "policy/policy.pb.h"
#include "proto/llb/source_lock.h"

namespace bk::client {

using Attributes = std::map<std::string, std::string>;

struct ExportEntry {
  std::string type;
  Attributes attrs;
  std::string directory;  // where files (local) or blobs (oci, docker without tar) go
  os::UniqueFd file;      // where a tar-like stream goes
};

struct CacheEntry {
  std::string type;
  Attributes attrs;
};

// What sources of the build may be (docs/lock.md).
struct LockOptions {
  bool record = false;                    // the result is to have lock_text
  bool offline = false;
  std::optional<llb::SourceLock> locked;  // nothing but this
};

struct SessionService {
  std::string name;  // full name of the gRPC service
  std::unique_ptr<grpc::Service> service;
};

struct SolveOptions {
  std::string ref;       // id of the build
  std::string frontend;  // with `frontend_attrs`; or a definition
  Attributes frontend_attrs;
  std::optional<pb::Definition> definition;
  std::map<std::string, std::string> local_directories;            // name → path
  std::map<std::string, std::shared_ptr<BlobStore>> oci_layouts;   // name → store
  std::vector<ExportEntry> exports;
  std::vector<CacheEntry> cache_exports, cache_imports;
  std::vector<std::string> entitlements;
  std::optional<moby::buildkit::v1::sourcepolicy::Policy> source_policy;
  LockOptions lock;
  bool proxy_network = false;
  // How long a build on another machine outlives its connection; only daemons of ours know that.
  std::chrono::milliseconds keep_alive{0};
  std::function<void(const std::string&)> note = {};  // told what becomes of the connection
  std::vector<SessionService> services;  // offered to the daemon beside those that follow from the above
};

struct SolveResult {
  Attributes exporter_response;
  Attributes frontend_metadata;  // of a subrequest's result; empty otherwise
  std::string lock_text;         // the lock file, if it was asked for
};

}  // namespace bk::client
