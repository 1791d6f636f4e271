// Mounts of a step as the runtime gets them: what a runtime cannot make itself is mounted below the bundle first.
//
// A selected path is held by a bind mount of its own, so that a link swapped in later leads nowhere else (CVE-2024-23651).
// Order: text order of the targets. Move-only; the destructor unmounts, the runtime must be gone by then.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/process.h"
#include "sandbox/oci/spec.h"

namespace bk::exec {

class StepMounts {
 public:
  // Temporary mounts stand below `dir`. NotFound when a selector names nothing.
  static absl::StatusOr<StepMounts> Make(const std::vector<StepMount>& mounts, const std::string& cwd, const std::string& dir);
  StepMounts() = default;
  StepMounts(StepMounts&&) = default;
  StepMounts& operator=(StepMounts&&) = delete;
  ~StepMounts();

  const std::vector<oci::SpecMount>& spec() const { return spec_; }

 private:
  struct Base {
    os::Mount mount;
    std::string path;
  };
  absl::Status Add(const StepMount& mount, const std::string& dir);
  absl::StatusOr<std::string> Select(const std::string& base, const std::string& selector, const std::string& dir);
  absl::StatusOr<std::string> MountBelow(const std::vector<os::Mount>& mounts, const std::string& dir);
  absl::StatusOr<std::string> BasePath(const os::Mount& mount, const std::string& dir);

  std::vector<oci::SpecMount> spec_;
  std::vector<std::string> directories_;   // made for mounts; removed last
  std::vector<os::TempMount> temporary_;   // in order of mounting
  std::vector<Base> bases_;                // mounts that selectors share
};

// The absolute target of a mount; a relative one starts at the working directory.
std::string MountTarget(const std::string& dest, const std::string& cwd);

}  // namespace bk::exec
