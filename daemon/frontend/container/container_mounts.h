// The mounts of a frontend's container: made once when it is made, shown to its processes and read from outside meanwhile.
//
// What is not a plain directory is mounted here and bound into the container, so that an overlay has one mount however
// many look at it. Reading is thread-safe; the end (destructor) unmounts, nobody may read or run by then.
#pragma once

#include <memory>
#include <vector>

#include "base/guarded.h"
#include "base/os/file.h"
#include "daemon/frontend/container/maker.h"
#include "daemon/frontend/tree_reader.h"
#include "daemon/ops/exec_mounts.h"

namespace bk::frontend {

class ContainerMounts {
 public:
  static absl::StatusOr<std::unique_ptr<ContainerMounts>> Make(const CancelToken& cancel, const ContainerParts& parts, const ContainerOrder& order);
  ~ContainerMounts();

  bool readonly_root() const { return prepared_.readonly_root; }
  const std::vector<os::Mount>& root() const { return prepared_.root; }
  const std::vector<exec::StepMount>& mounts() const { return prepared_.mounts; }
  // The files of the request's mount `index`, without its selector.
  absl::StatusOr<const TreeReader*> Files(int index);

 private:
  struct Tree {
    std::string path;                    // "" : nothing is there
    std::unique_ptr<TreeReader> reader;  // once asked for
  };
  ContainerMounts() = default;
  absl::Status Prepare(const CancelToken& cancel, const ContainerParts& parts, const ContainerOrder& order);
  // Puts `mounts` in one place and makes them a bind of it.
  absl::StatusOr<std::string> Place(std::vector<os::Mount>& mounts, bool readonly);
  absl::Status AddFiles(const ContainerRequest& request);

  ops::PreparedMounts prepared_;
  std::vector<os::TempMount> places_;
  std::vector<os::TempDir> directories_;
  Guarded<std::vector<Tree>> trees_;
};

}  // namespace bk::frontend
