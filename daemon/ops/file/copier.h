// Copies one tree into another, entry by entry, by open directories: no path is looked up twice and no link is followed.
//
// Kept: type, mode, owner, times, attributes, hard links among what is copied. Directories above a file that matches an
// include pattern appear only once something below them does. One copier serves one COPY source. Not thread-safe; blocking.
// Rules: cp -a as the reference's fsutil/copy has it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/ignore_pattern.h"
#include "daemon/ops/file/entry.h"
#include "daemon/ops/file/mode_text.h"

namespace bk::ops::file {

struct CopyOptions {
  std::vector<std::string> include_patterns, exclude_patterns;
  std::optional<Owner> owner;        // else the source's
  std::optional<int64_t> time_ns;    // else the source's
  std::optional<unsigned> mode;      // else the source's
  std::optional<ModeText> mode_text; // overrides `mode`
  bool always_replace = false;       // whatever is in the way, unless both are directories
};

class Copier {
 public:
  // `target`: the tree that hard links are made in. Must outlive the copier.
  static absl::StatusOr<Copier> Create(const os::RootDir& target, const CopyOptions& options);
  // `source` to `target`; an existing directory at the top keeps its attributes.
  absl::Status Copy(const CancelToken& cancel, const Entry& source, const Entry& target);

 private:
  using Matches = PatternMatcher::ParentResults;
  struct Verdict {
    bool included = true, excluded = false, skip = false;
    Matches include, exclude;
  };
  // A directory being copied. Its target is made (and opened) when the first entry goes into it.
  struct Level {
    os::UniqueFd source, target;
    Entry source_entry, target_entry;
    struct stat stat {};
    bool made = false;
    bool fresh = false;  // nothing was in it before
  };
  struct Work {
    Entry source, target;
    std::string relative;  // to the top; empty there
    const Matches* include = nullptr;
    const Matches* exclude = nullptr;
    bool top = false;
  };

  Copier(const os::RootDir& target, const CopyOptions& options) : root_(&target), options_(options) {}
  absl::StatusOr<Verdict> Judge(const Work& work);
  absl::Status CopyEntry(const CancelToken& cancel, Work work);
  absl::Status CopyDirectory(const CancelToken& cancel, const Work& work, const struct stat& stat, const Verdict& verdict, bool& created);
  absl::Status CopyOther(const CancelToken& cancel, const Work& work, const struct stat& stat);
  absl::Status MakeLevels(bool overwrite);
  absl::StatusOr<bool> MakeDirectoryOnly(const Entry& target, const struct stat& stat, bool overwrite);
  absl::Status CopyInfo(const Entry& source, const Entry& target, const struct stat& stat);
  absl::Status CopyTimes(const Entry& target, const struct stat& stat);
  Entry TargetOf(const Entry& target) const;

  const os::RootDir* root_;
  CopyOptions options_;
  std::optional<PatternMatcher> include_, exclude_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  // first target of a file with several links
  std::vector<Level> levels_;
};

}  // namespace bk::ops::file
