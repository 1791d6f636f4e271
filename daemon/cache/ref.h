// References: what ops hand to each other. An immutable ref is a committed directory tree (a chain of layers), a mutable
// ref is one being written. Both keep their record alive while a handle exists; records nobody holds may be pruned.
//
// A ref made from a registry's blob is lazy: its content is fetched when a mount or an export needs it. Thread-safe.
// Storage: docs/store.md. Source of the rules: the reference's cache package (names follow it).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/oci.h"
#include "base/os/mount.h"
#include "daemon/solver/progress.h"
#include "snapshotter/content/arrival.h"

namespace bk::cache {

// Where lazy content comes from: which sessions may give credentials, where progress goes, and who reads along.
struct FetchContext {
  std::vector<std::string> session_ids;
  solver::VertexProgress progress;
  std::shared_ptr<content::Arrival> arrival = nullptr;  // of the one blob that is fetched; null: nobody
  bool offline = false;  // no connection may be made: sources answer from what this machine has
};

// For whoever would make a connection that a context forbids.
inline absl::Status Offline(std::string_view what) { return FailedPrecondition("offline: ", what); }

// Brings the blob `descriptor` into the content store (verified). Kept by lazy refs.
using BlobFetcher = std::function<absl::Status(const CancelToken&, const FetchContext&, const Descriptor& descriptor)>;

// Mounts in use; the handle keeps the snapshot (and a view made for it) until it ends. Values only: nothing is mounted
// yet, see os::TempMount.
class ActiveMount {
 public:
  virtual ~ActiveMount() = default;
  virtual const std::vector<os::Mount>& mounts() const = 0;
};

class Mountable {
 public:
  virtual ~Mountable() = default;
  virtual absl::StatusOr<std::unique_ptr<ActiveMount>> Mount(const CancelToken& cancel, const FetchContext& fetch, bool readonly) const = 0;
};

// One layer of a chain as an exporter needs it.
struct Layer {
  Descriptor descriptor;  // of the blob, in the content store (or still at its origin when `lazy`)
  Digest diff_id;         // of the uncompressed tar
  int64_t created_ns = 0;  // of the record (history item)
  std::string description;  // of the record ("RUN make")
  BlobFetcher fetch;        // null unless lazy
};

class ImmutableRef;
using ImmutablePtr = std::shared_ptr<const ImmutableRef>;

class ImmutableRef : public Mountable {
 public:
  virtual const std::string& Id() const = 0;
  // Chain of single-layer refs, lowest first, this one last (merge refs: the inputs' chains one after another).
  virtual std::vector<ImmutablePtr> LayerChain() const = 0;
  // Blobs of the chain, lowest first; missing ones are made (diff + compress) when `create`, else NotFound.
  // An existing blob is kept whatever `compression` asks, unless it forces.
  virtual absl::StatusOr<std::vector<Layer>> Layers(const CancelToken& cancel, const FetchContext& fetch, const CompressionChoice& compression, bool create) const = 0;
  virtual absl::StatusOr<int64_t> SizeBytes(const CancelToken& cancel) const = 0;
  // Fetches and unpacks everything that is still lazy.
  virtual absl::Status Extract(const CancelToken& cancel, const FetchContext& fetch) const = 0;
  virtual bool IsLazy() const = 0;
  virtual std::string Description() const = 0;
  virtual int64_t CreatedNs() const = 0;
  // Small values kept with the record, durable with it.
  virtual std::string GetValue(const std::string& key) const = 0;  // "" if absent
  virtual absl::Status SetValue(const std::string& key, const std::string& value) const = 0;
};

class MutableRef;
using MutablePtr = std::unique_ptr<MutableRef>;

// Destroying the handle drops the record, unless it was committed or is retained (`NewOptions::retain`).
class MutableRef : public Mountable {
 public:
  virtual const std::string& Id() const = 0;
  // Makes the tree immutable. The mutable handle is used up. A retained tree stays as it is: the result is a view of it,
  // and the tree can be had again (GetMutable) once the view has no handles, unless something was built on the view. Not fsynced, but committed in the store's database before
  // it returns (kill -9 keeps it; see docs/store.md).
  virtual absl::StatusOr<ImmutablePtr> Commit(const CancelToken& cancel) = 0;
  // What an index lookup finds (CacheManager::FindMutable, and FindCommitted once it is): set once, durable.
  virtual absl::Status SetIndex(const std::string& index) = 0;
  virtual std::string GetValue(const std::string& key) const = 0;
  virtual absl::Status SetValue(const std::string& key, const std::string& value) const = 0;
  // Drops the record and its snapshot although it is retained (broken content, trap 15).
  virtual absl::Status Destroy() = 0;
};

enum class RecordType { kRegular, kInternal, kFrontend, kSourceLocal, kSourceGit, kCacheMount };

struct NewOptions {
  std::string description;
  RecordType type = RecordType::kRegular;
  bool retain = false;  // keep the mutable record when its handle ends (cache mounts, local sources)
  bool merged = false;  // of a merge: said of it while it is extracted
};

struct UsageRecord {
  std::string id;
  bool is_mutable = false, in_use = false, shared = false;
  int64_t size_bytes = 0;
  std::vector<std::string> parents;
  int64_t created_ns = 0, last_used_ns = 0;  // 0: never used
  int64_t usage_count = 0;
  std::string description, record_type;  // "regular", "internal", "frontend", "source.local", "source.git.checkout", "exec.cachemount"
};

// Pruning rules of one pass (reference: client.PruneInfo; trap 25).
struct PruneOptions {
  std::vector<std::string> filter;
  bool all = false;
  int64_t keep_duration_ns = 0;
  int64_t reserved_bytes = 0, max_used_bytes = 0, min_free_bytes = 0;
};

class CacheManager {
 public:
  virtual ~CacheManager() = default;
  // A writable tree on top of `parent` (null: empty).
  virtual absl::StatusOr<MutablePtr> New(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& parent, const NewOptions& options) = 0;
  // NotFound when pruned or unknown.
  virtual absl::StatusOr<ImmutablePtr> Get(const CancelToken& cancel, const std::string& id) = 0;
  // FailedPrecondition when another handle holds it or a view of it ("locked"), NotFound when gone.
  virtual absl::StatusOr<MutablePtr> GetMutable(const CancelToken& cancel, const std::string& id) = 0;
  // Ids of mutable records with this index, oldest first.
  virtual std::vector<std::string> FindMutable(const std::string& index) = 0;
  // The same for indexes that begin with `index` and a colon.
  virtual std::vector<std::string> FindMutableBelow(const std::string& index) = 0;
  // Ids of committed records whose tree was given this index before its commit, oldest first.
  virtual std::vector<std::string> FindCommitted(const std::string& index) = 0;
  // The layer `descriptor` with `diff_id` on top of `parent`; lazy when `fetch_blob` is given and the blob is not there.
  virtual absl::StatusOr<ImmutablePtr> GetByBlob(const CancelToken& cancel, const Descriptor& descriptor, const Digest& diff_id, const ImmutablePtr& parent, BlobFetcher fetch_blob, const NewOptions& options) = 0;
  virtual absl::StatusOr<ImmutablePtr> Merge(const CancelToken& cancel, const std::vector<ImmutablePtr>& inputs, const NewOptions& options) = 0;
  virtual absl::StatusOr<ImmutablePtr> Diff(const CancelToken& cancel, const ImmutablePtr& lower, const ImmutablePtr& upper, const NewOptions& options) = 0;
  virtual absl::StatusOr<std::vector<UsageRecord>> DiskUsage(const CancelToken& cancel, const std::vector<std::string>& filter) = 0;
  // Removes what the rules allow; `removed` is called for every record.
  virtual absl::Status Prune(const CancelToken& cancel, const std::vector<PruneOptions>& passes, const std::function<void(const UsageRecord&)>& removed) = 0;
  // Told about every record that is gone (results that refer to it are of no use any more). Set once, before use.
  virtual void OnRemoved(std::function<void(const std::string& id)> callback) = 0;
};

}  // namespace bk::cache
