// Which records of a tree a path with wildcards or patterns means, and the digest of that list. Internal to contenthash.
#pragma once

#include "base/ignore_pattern.h"
#include "daemon/cache/contenthash/tree.h"

namespace bk::contenthash {

struct Selected {
  std::string path;  // as the caller spelled its beginning
  RecordType type = RecordType::kFile;
  std::string digest;
  bool follow_links = false;
};

class Selection {
 public:
  Selection(HashTree& tree, const CancelToken& cancel, const RootOpener& root, const ChecksumOptions& options)
      : tree_(tree), cancel_(cancel), root_(root), options_(options) {}
  absl::Status Run(const std::string& path);
  std::vector<Selected>& entries() { return entries_; }
  // The digest of one sole entry of the path's own name, else of all (key, digest) pairs.
  absl::StatusOr<Digest> Sum(const std::string& path) const;

 private:
  // A directory above what is being visited: included when something below it is.
  struct Parent {
    Selected entry;
    PatternMatcher::ParentResults include, exclude;
    bool added = false;
  };
  absl::StatusOr<Records::iterator> Begin(const std::string& path);
  // False ends the walk.
  absl::StatusOr<bool> Visit(const std::string& key, Record& record);
  absl::StatusOr<bool> InPath(const std::string& name);
  absl::StatusOr<bool> PatternsAllow(const std::string& candidate, Parent& visited, const Parent* above);
  absl::Status CheckRequired() const;

  HashTree& tree_;
  const CancelToken& cancel_;
  const RootOpener& root_;
  const ChecksumOptions& options_;
  PatternMatcher include_, exclude_;
  std::string path_;             // clean, "" for the root
  bool trailing_slash_ = false;  // the path had one: its own header does not count
  std::string spelled_prefix_, resolved_prefix_;
  std::string matched_dir_;  // last name the wildcard matched
  std::vector<Parent> parents_;
  std::vector<Selected> entries_;
};

}  // namespace bk::contenthash
