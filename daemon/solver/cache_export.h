// Walks the keys of a build from a result downwards and tells a target what leads where and which layers are behind it.
//
// What it tells: each key as a record (named by digest and output), its alternatives by input, and its newest result. Keys of
// one session ("random:") are refused by the target, and with them what only they lead to. Iterative: chains are long.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/oci.h"
#include "daemon/solver/cache_keys.h"

namespace bk::solver {

struct CacheExportResult {
  int64_t created_ns = 0;
  std::vector<Descriptor> layers;
};

class CacheExportTarget {
 public:
  using Record = size_t;
  struct Link {
    Record from = 0;
    std::string selector;
  };
  virtual ~CacheExportTarget() = default;
  // The record of `digest` that these links lead to, made if there is none; nothing if it cannot be exported.
  virtual std::optional<Record> Add(const std::string& digest, const std::vector<std::vector<Link>>& inputs, const std::vector<CacheExportResult>& results) = 0;
};

// What a build knows of its keys and results.
class CacheExportSource {
 public:
  virtual ~CacheExportSource() = default;
  // Results that may stand for the key.
  virtual std::vector<CacheRecord> RecordsOf(const CacheKey& key) = 0;
  // Layers of a result; empty if there are none. `remote_only`: those that a remote cache has already.
  virtual absl::StatusOr<std::vector<Descriptor>> LayersOf(const CacheRecord& record, bool remote_only) = 0;
};

struct CacheExportOptions {
  enum class Mode { kMin, kMax, kRemoteOnly } mode = Mode::kMax;
  bool roots = false;             // layers of keys without inputs, too
  bool ignore_backlinks = false;  // only ways that took part in this build
};

class CacheExporter {
 public:
  CacheExporter(const CacheKeys* keys, CacheExportSource* source, CacheExportTarget* target, CacheExportOptions options)
      : keys_(keys), source_(source), target_(target), options_(options) {}
  // Exports `key` and everything below it; each key once in the life of the exporter.
  absl::Status Export(CacheKey& key);

 private:
  using Record = CacheExportTarget::Record;
  using Links = std::vector<std::vector<CacheExportTarget::Link>>;
  struct Frame {
    CacheKey* key;
    CacheExportOptions::Mode mode;
    std::vector<CacheExportResult> results;
    std::optional<CacheRecord> record;  // the exported one
    bool entered = false;
  };
  absl::Status Enter(Frame& frame);
  void Leave(const Frame& frame);
  void AddBacklinks(const std::string& id);
  std::vector<Record> AddBacklinked(const std::string& id);
  void AddTwins(const Frame& frame);

  const CacheKeys* keys_;
  CacheExportSource* source_;
  CacheExportTarget* target_;
  CacheExportOptions options_;
  std::unordered_map<const CacheKey*, std::vector<Record>> done_;
  std::unordered_map<std::string, std::vector<Record>> backlinked_;  // by id
};

}  // namespace bk::solver
