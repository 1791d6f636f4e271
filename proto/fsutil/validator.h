// Checks the list of a transfer where it enters: clean relative paths, component-wise order, parents first, hard links to
// files that came before (traps 6, hostile 24 and 26). Belongs to one thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "proto/fsutil/stat.h"

namespace bk::fsutil {

class EntryValidator {
 public:
  // InvalidArgument `unclean path X: invalid argument`, `changes out of order: "a" "b"`, `invalid link X to unknown path: "y"`.
  absl::Status Check(const Stat& stat);

 private:
  struct Level {
    std::string directory, last;  // last name seen in it
  };
  absl::Status CheckPath(const std::string& path) const;
  absl::Status CheckOrder(const Stat& stat);
  std::vector<Level> levels_ = {{"", ""}};
  std::set<std::string> files_;  // that hard links may name
};

}  // namespace bk::fsutil
