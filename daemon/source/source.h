// Where trees come from: docker-image://, oci-layout://, local://, git://, http(s)://.
//
// An identifier with attributes becomes a SourceInstance, which gives cache keys and, if those miss, a ref (trap 12).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/platform.h"
#include "daemon/cache/ref.h"
#include "daemon/session/session.h"

namespace bk::source {

struct SourceRequest {
  std::string identifier;                    // "docker-image://docker.io/library/busybox:latest"
  std::map<std::string, std::string> attrs;  // of the SourceOp
  Platform platform;                         // normalised
};

struct SourceKey {
  std::string key;  // hashed as it stands by the op ("session:…" keys are random: never persisted)
  std::string pin;  // what it resolved to (digest, commit, …)
  bool done = true;
};

class SourceInstance {
 public:
  virtual ~SourceInstance() = default;
  virtual absl::StatusOr<SourceKey> CacheKey(const CancelToken& cancel, const cache::FetchContext& context, int index) = 0;
  // A null ref is the empty tree.
  virtual absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) = 0;
};

struct ResolvedImage {
  std::string ref;     // as asked, with the digest added
  Digest digest;       // of the index or manifest that the name points at
  std::string config;  // JSON; empty when not asked for
};

struct ResolvedHttp {
  Digest digest;
  std::string filename;
  std::optional<int64_t> last_modified;  // seconds since the epoch
  Digest checksum;                       // what an HttpChecksumRequest asked for
};

struct ResolvedGit {
  std::string checksum, ref, commit_checksum;  // the commit behind a tag object, if the ref is one
  std::string commit_object, tag_object;       // as git stores them, if they were asked for
};

// A digest of the content with something behind it, as detached signatures are made over.
struct HttpChecksumRequest {
  std::string algorithm = "sha256";  // or sha384, sha512
  std::string suffix;
};

struct ImageResolveOptions {
  Platform platform;
  enum class Mode { kDefault, kForcePull, kPreferLocal } mode = Mode::kDefault;
  bool need_config = true;
  std::string session_id, store_id;  // oci-layout only: the client's store
  std::string log_name;              // progress vertex "[internal] load metadata for …"
};

class Source {
 public:
  virtual ~Source() = default;
  // Checks identifier and attributes; InvalidArgument / Unknown with the reference's texts. Never blocks.
  virtual absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) = 0;
  // Metadata without content, for frontends. Unimplemented unless the source is an image store.
  virtual absl::StatusOr<ResolvedImage> ResolveImage(const CancelToken&, const cache::FetchContext&, const std::string& identifier, const ImageResolveOptions&) {
    return Unimplemented(identifier, " is not an image");
  }
  // What a URL resolves to; downloads it unless it is pinned. Unimplemented unless the source is one of URLs.
  virtual absl::StatusOr<ResolvedHttp> ResolveHttp(const CancelToken&, const cache::FetchContext&, const SourceRequest& request, const std::optional<HttpChecksumRequest>&) {
    return Unimplemented(request.identifier, " is no URL");
  }
  // What a ref of a repository is; `objects`: the commit is fetched for its text. Unimplemented unless the source is one of repositories.
  virtual absl::StatusOr<ResolvedGit> ResolveGit(const CancelToken&, const cache::FetchContext&, const SourceRequest& request, bool /*objects*/) {
    return Unimplemented(request.identifier, " is no repository");
  }
};

// By scheme of the identifier; the table is daemon/source/table.cc.
class SourceManager {
 public:
  virtual ~SourceManager() = default;
  virtual absl::StatusOr<Source*> ForIdentifier(const std::string& identifier) = 0;
  // The one text of all that mean the same (what a source policy is asked about); an error for what does not parse.
  virtual absl::StatusOr<std::string> Canonical(const std::string& identifier) const = 0;
};

}  // namespace bk::source
