// Turns changes into tar entries: parents first, whiteouts, hard links to the first name. Internal to diff.
#pragma once

#include <sys/stat.h>

#include <map>
#include <set>

#include "snapshotter/diff/tar.h"

namespace bk::diff {

enum class ChangeKind { kUnmodified, kAdd, kModify, kDelete };

class LayerWriter {
 public:
  // `source` is the directory that paths ("/a/b") are read from.
  LayerWriter(std::string source, ByteSink sink) : source_(std::move(source)), tar_(std::move(sink)) {}
  absl::Status Change(ChangeKind kind, const std::string& path, const struct stat* st);
  absl::Status Close() { return tar_.Close(); }

 private:
  absl::Status Whiteout(const std::string& path);
  absl::Status IncludeParents(const std::string& name, bool is_dir);
  absl::Status WriteData(const std::string& path, int64_t size);

  const std::string source_;
  TarWriter tar_;
  std::set<std::string> added_dirs_;                                                  // names without slashes around
  std::map<std::pair<dev_t, ino_t>, std::string> inode_source_;                       // first name written
  std::map<std::pair<dev_t, ino_t>, std::vector<std::string>> unmodified_inode_names_;  // to be written as links
};

}  // namespace bk::diff
