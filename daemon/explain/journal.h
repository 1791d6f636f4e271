// What is kept of builds so that later ones can be explained: rows of the store's database (docs/store.md).
//
// Bounded: the newest builds, none older than a month, and lists of files that one of them has. Writes are queued and may be
// lost with the process. Thread-safe; Explain blocks on the database.
#pragma once

#include <string>
#include <vector>

#include "explain/explain.pb.h"
#include "explain/record.pb.h"
#include "snapshotter/meta/database.h"

namespace bk::explain {

inline constexpr int64_t kMaxBuilds = 50, kMaxRemovals = 10'000;
inline constexpr int64_t kMaxAgeNs = int64_t{30} * 24 * 3600 * 1'000'000'000;
inline constexpr size_t kMaxSteps = 2000, kMaxFiles = 20'000, kMaxFileListBytes = 2 << 20;
inline constexpr size_t kMaxBuildBytes = 1 << 20;

class Journal {
 public:
  explicit Journal(meta::Database* db) : db_(db) {}
  // Whether the files behind this content digest need not be listed once more. What was added a moment ago may not be known yet.
  bool KnowsFiles(const std::string& content);
  void AddFiles(const std::string& content, const v1::FileList& files);
  // The build ended. Its steps' inputs may name contents whose files were added.
  void Add(v1::Build build);
  void Forget(const std::string& ref);
  // `ref` "": the newest one. NotFound with what to do.
  absl::StatusOr<v1::ExplainResponse> Explain(const std::string& ref, int64_t utc_offset_seconds);

 private:
  meta::Database* const db_;
};

}  // namespace bk::explain
