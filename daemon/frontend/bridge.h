// What a frontend may ask of the build it belongs to. One of the three upward calls: implemented by daemon/llb.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/platform.h"
#include "daemon/frontend/container.h"
#include "daemon/frontend/file_stat.h"
#include "daemon/solver/progress.h"
#include "llb/ops.pb.h"
#include "policy/policy.pb.h"

namespace bk::frontend {

// A result that may not be computed yet: a definition bound to this build. Evaluate() (or any read) computes it.
class Ref {
 public:
  virtual ~Ref() = default;
  virtual const pb::Definition& definition() const = 0;
  virtual absl::Status Evaluate(const CancelToken& cancel) = 0;
};
using RefPtr = std::shared_ptr<Ref>;

// A solve's answer. `ref` or `refs` (by key, usually a platform id); null refs are empty trees.
struct Result {
  RefPtr ref;
  std::map<std::string, RefPtr> refs;
  bool is_map = false;
  std::map<std::string, std::string> metadata;
};

struct CacheImport {
  std::string type;
  std::map<std::string, std::string> attrs;
};

struct SolveRequest {
  std::shared_ptr<const pb::Definition> definition;  // or a frontend:
  std::string frontend;
  std::map<std::string, std::string> frontend_opts;
  std::map<std::string, std::shared_ptr<const pb::Definition>> frontend_inputs;
  std::vector<CacheImport> cache_imports;
  std::vector<moby::buildkit::v1::sourcepolicy::Policy> source_policies;  // of the definition, beside the build's
  bool evaluate = false;
};

struct SourceMetadata {
  std::string identifier;                    // of the op, possibly changed
  std::map<std::string, std::string> attrs;
  std::string image_digest, image_config;    // docker-image, oci-layout
  struct Http {
    std::string checksum, filename;
    std::optional<int64_t> last_modified_s;  // since the epoch
    std::string requested_checksum;          // of ResolveOptions::http_checksum
  };
  std::optional<Http> http;  // of URLs
  struct Git {
    std::string checksum, ref, commit_checksum;  // the commit behind a tag object, if the ref is one
    std::string commit_object, tag_object;       // with ResolveOptions::git_objects
  };
  std::optional<Git> git;
};

struct WorkerInfo {
  std::string id;
  std::map<std::string, std::string> labels;
  std::vector<Platform> platforms;
};

class Bridge {
 public:
  virtual ~Bridge() = default;
  virtual absl::StatusOr<Result> Solve(const CancelToken& cancel, const SolveRequest& request) = 0;
  // `length` < 0: to the end. Regular files only.
  virtual absl::StatusOr<std::string> ReadFile(const CancelToken& cancel, Ref& ref, const std::string& path, int64_t offset, int64_t length) = 0;
  virtual absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken& cancel, Ref& ref, const std::string& path, const std::string& include_pattern) = 0;
  virtual absl::StatusOr<FileStat> StatFile(const CancelToken& cancel, Ref& ref, const std::string& path) = 0;

  struct ResolveOptions {
    std::optional<Platform> platform;
    std::string resolve_mode;  // "", "pull", "local", "default"
    std::string log_name;
    bool no_config = false;
    bool any_source = false;  // ResolveImageConfig: a policy may answer with what is no image; `ref` is its identifier then, with scheme
    std::string session_id, store_id;  // oci-layout
    struct HttpChecksum {
      std::string algorithm, suffix;  // "sha256"; bytes behind the content
    };
    std::optional<HttpChecksum> http_checksum;  // of URLs
    bool git_objects = false;  // of repositories: also the commit itself, which is fetched for that
    std::vector<moby::buildkit::v1::sourcepolicy::Policy> source_policies;  // beside the build's
  };
  struct ImageConfig {
    std::string ref, digest, config;
  };
  // `ref` without scheme is a docker-image name; "oci-layout://…" when `store_id` or the scheme says so.
  // Policies may put another image in its place: `ref` of the answer says which.
  virtual absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken& cancel, const std::string& ref, const ResolveOptions& options) = 0;
  virtual absl::StatusOr<SourceMetadata> ResolveSourceMeta(const CancelToken& cancel, const pb::SourceOp& source, const ResolveOptions& options) = 0;
  virtual absl::Status Warn(const Digest& vertex, const solver::WarningEvent& warning) = 0;
  // `failed to find ref ID for "DEST" mount: …` for trees that are none of this build's.
  virtual absl::StatusOr<std::unique_ptr<Container>> NewContainer(const CancelToken&, const ContainerRequest& request) {
    return Unimplemented("container ", request.id, ": this bridge has no containers");
  }
  // Shows `text` as the output of a vertex of its own.
  virtual void Log(const std::string& vertex_name, const std::string& text) { (void)vertex_name, (void)text; }

  virtual std::vector<WorkerInfo> Workers() const = 0;
  virtual std::string SessionId() const = 0;
  virtual std::string BuildId() const = 0;
};

}  // namespace bk::frontend
