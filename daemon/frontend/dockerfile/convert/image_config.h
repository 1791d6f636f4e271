// The image configuration that a Dockerfile makes: OCI image spec plus Docker's health check, ONBUILD and shell.
//
// Text in and out as Go's encoding/json does it, since the bytes are part of the image's digest. Unknown keys are lost, as
// in the reference. Values; the history is shared between copies.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/platform.h"
#include "base/status.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"

namespace bk::dockerfile {

struct HistoryEntry {
  std::string created, created_by, author, comment;
  bool empty_layer = false;
};

// Grows at its end only; a copy costs nothing until both go on.
class History {
 public:
  void Add(HistoryEntry entry);
  size_t size() const { return size_; }
  const HistoryEntry& operator[](size_t i) const { return (*entries_)[i]; }

 private:
  std::shared_ptr<std::vector<HistoryEntry>> entries_;
  size_t size_ = 0;
};

struct ImageConfig {
  std::string created, author;
  Platform platform;
  std::string user, working_dir, stop_signal;
  std::set<std::string> exposed_ports, volumes;
  std::vector<std::string> env, entrypoint, cmd, onbuild, shell;
  std::map<std::string, std::string> labels;
  bool args_escaped = false;
  std::optional<HealthCheckInstruction> health_check;
  std::string rootfs_type;
  std::optional<std::vector<std::string>> diff_ids;
  History history;

  // Replaces a variable in place or adds it.
  void SetEnv(const std::string& key, const std::string& value);
  bool HasEnv(std::string_view key) const;
};

// InvalidArgument for text that is no image configuration.
absl::StatusOr<ImageConfig> ParseImageConfig(std::string_view json);
std::string ImageConfigJson(const ImageConfig& image);
// What FROM scratch starts with.
ImageConfig EmptyImage(const Platform& platform);
// {"architecture":…,"os":…,…}
std::string PlatformJson(const Platform& platform);

std::string_view DefaultPath(std::string_view os);

}  // namespace bk::dockerfile
