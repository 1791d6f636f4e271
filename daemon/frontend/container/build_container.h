// A container of a frontend: the first process is the executor's Run, later ones join it (Executor::Exec).
//
// The executor knows it by an id of ours: the client's ids are the client's own, and no other build's container is found
// by them. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/id.h"
#include "base/task_group.h"
#include "daemon/frontend/container/container_mounts.h"

namespace bk::frontend {

class BuildContainer final : public Container {
 public:
  BuildContainer(const ContainerParts& parts, ContainerOrder order, std::unique_ptr<ContainerMounts> mounts)
      : parts_(parts), order_(std::move(order)), mounts_(std::move(mounts)) {}
  ~BuildContainer() override { Release().IgnoreError(); }

  absl::StatusOr<std::unique_ptr<ContainerProcess>> Start(const CancelToken& cancel, ProcessRequest request) override;
  absl::StatusOr<std::string> ReadFile(int mount, const std::string& path, int64_t offset, int64_t length) override;
  absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken& cancel, int mount, const std::string& path, const std::string& include_pattern) override;
  absl::StatusOr<FileStat> StatFile(int mount, const std::string& path) override;
  absl::Status Release() override;

 private:
  class Process;
  class Reading;
  struct State {
    bool started = false, released = false, unmounted = false;
    int readers = 0;
    absl::Status error;  // the first one
  };
  absl::StatusOr<exec::ProcessSpec> SpecOf(const CancelToken& cancel, const ProcessRequest& request) const;
  absl::Status CheckAllowed(const exec::ProcessSpec& spec) const;
  ProcessEnd Run(Process& process, const exec::ProcessSpec& spec, const ProcessRequest& request, bool first);
  void Fail(const absl::Status& error);

  const ContainerParts parts_;
  const ContainerOrder order_;
  const std::string id_ = NewId();
  std::unique_ptr<ContainerMounts> mounts_;
  CancelSource ending_;
  Guarded<State> state_;
  TaskGroup processes_;
};

}  // namespace bk::frontend
