// /etc/hosts of a step: its text, and the files that are mounted (golden exec/hosts).
//
// Steps with the default hostname given in words and no extra host share one file; any other gets one of its own, which
// is removed after the run. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/process.h"

namespace bk::oci {

inline constexpr char kDefaultHostname[] = "buildkitsandbox";

// Unknown ("failed to parse IP x") for an address that is none. Addresses are printed anew, names are kept as they are.
absl::StatusOr<std::string> HostsText(const std::string& hostname, const std::vector<exec::HostIp>& extra_hosts);

// A file that stands until the handle ends; a shared one stays.
class StepFile {
 public:
  StepFile() = default;
  StepFile(std::string path, bool remove) : path_(std::move(path)), remove_(remove) {}
  StepFile(StepFile&& other) noexcept : path_(std::exchange(other.path_, {})), remove_(other.remove_) {}
  StepFile& operator=(StepFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(remove_, other.remove_);
    return *this;
  }
  ~StepFile();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool remove_ = false;
};

// Puts `text` at `path` at once, readable by any user of a step whatever the daemon's umask is.
absl::Status WriteStepFile(const std::string& path, std::string_view text);
// The file below `dir` for one step.
absl::StatusOr<StepFile> MakeHostsFile(const std::string& dir, const std::string& hostname, const std::vector<exec::HostIp>& extra_hosts);

}  // namespace bk::oci
