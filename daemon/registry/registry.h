// The distribution client: resolves, pulls and pushes images, with mirrors, credentials of sessions, retries and resuming.
//
// Everything fetched is checked against digest and size before it appears in the content store; documents (manifests,
// indexes, configs) are limited to 4 MiB. At most four transfers a registry go on at a time, and one more of a document.
// Thread-safe; calls block.
// Protocol: OCI distribution-spec v1.1; error texts follow containerd's resolver.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/oci.h"
#include "base/reference.h"
#include "base/semaphore.h"
#include "daemon/cache/ref.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/blob_places.h"
#include "daemon/registry/hosts.h"
#include "snapshotter/content/content_store.h"

namespace bk::registry {

inline constexpr int64_t kMaxDocumentBytes = 4 << 20;

bool IsManifest(const std::string& media_type);
bool IsIndex(const std::string& media_type);
// Whether a blob of this type is JSON that is read whole.
bool IsDocument(const std::string& media_type);

struct PushRequest {
  std::string ref;  // normalised name with tag; a bare name when pushing by digest
  bool insecure = false;
  bool push_by_digest = false;
  std::vector<Descriptor> blobs;      // layers and configs
  std::vector<Descriptor> manifests;  // children first, the root last; in the content store
  // Brings a blob that is not in the content store there: called for those that the registry neither has nor can mount
  // from another repository. Null: all are there.
  std::function<absl::Status(const CancelToken&, const Descriptor&)> fetch;
  std::vector<std::string> more_tags;  // of the same repository, after that of `ref`
};

class Registry {
 public:
  struct Options {
    HostConfigs hosts;
    session::Manager* sessions = nullptr;     // null: anonymous only
    content::ContentStore* content = nullptr;
    int64_t backoff_ms = 1000;  // before the first repetition; doubles up to eight times that
    int64_t max_transfers = 4;  // of one registry at a time
    std::string places_file;    // where the places of blobs are kept; "": in memory alone
    int stall_timeout_s = 60;
  };
  explicit Registry(Options options);
  // For downloads beside registries: one pool of connections for all.
  HttpClient& http() { return http_; }

  // What the name points at now. Digest references that this process has pulled from the same repository are answered
  // from the content store. NotFound `REF: not found`.
  absl::StatusOr<Descriptor> Resolve(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref);
  // Size and type of the one blob (else manifest) whose digest `ref` has. NotFound `REF: not found`.
  absl::StatusOr<Descriptor> FindBlob(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref);
  // Brings one blob or manifest of the image's repository into the content store. Reports "DIGEST" with bytes, of documents
  // nothing but what is waited for.
  absl::Status Fetch(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref, const Descriptor& descriptor);
  // The repository has these blobs: pushes may ask its registry to mount them elsewhere.
  void NotePlaces(const SourceReference& ref, const std::vector<Descriptor>& blobs);
  // Sends what the registry does not have, manifests last. Reports "pushing layers" and "pushing manifest for REF".
  absl::Status Push(const CancelToken& cancel, const cache::FetchContext& context, const PushRequest& request);

 private:
  friend class Repository;
  friend class Push;
  // Permits of one transfer.
  struct Turn {
    Permit large, any;
  };
  struct Slots {
    explicit Slots(int64_t transfers) : large(transfers), any(transfers + 1) {}
    Semaphore large, any;
  };
  // Marks `digest` as being fetched by the calling thread; false if it is there already (another thread got it).
  absl::StatusOr<bool> BeginFetch(const CancelToken& cancel, const Digest& digest);
  void EndFetch(const Digest& digest);
  // Waits until another transfer with the registry may begin; documents have one place of their own.
  absl::StatusOr<Turn> AwaitTurn(const CancelToken& cancel, const std::string& domain, bool document);

  const Options options_;
  HttpClient http_;
  Authorizer authorizer_;
  Guarded<std::set<Digest>> fetching_;
  BlobPlaces places_;
  Guarded<std::set<std::pair<std::string, Digest>>> known_;      // repository and document
  Guarded<std::set<std::string>> plain_hosts_;                   // insecure hosts found to speak HTTP only
  Guarded<std::map<std::string, int64_t>> unreachable_mirrors_;  // until when they are passed over
  Guarded<std::map<std::string, std::unique_ptr<Slots>>> slots_;
};

}  // namespace bk::registry
