#include "client/solve/export_targets.h"

#include <cctype>

namespace bk::client {

absl::StatusOr<LocalMode> ParseLocalMode(std::string_view text) {
  std::string mode;
  for (char c : text) mode += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  mode.erase(0, mode.find_first_not_of(" \t\r\n"));
  mode.erase(mode.find_last_not_of(" \t\r\n") + 1);
  if (mode.empty() || mode == "copy") return LocalMode::kCopy;
  if (mode == "delete") return LocalMode::kDelete;
  return InvalidArgument("invalid local exporter mode ", Quote(text));
}

absl::StatusOr<ExportTargets> OpenExportTargets(std::vector<ExportEntry>& exports) {
  ExportTargets targets;
  for (size_t i = 0; i < exports.size(); i++) {
    ExportEntry& entry = exports[i];
    if (entry.file) {
      targets.files[static_cast<int>(i)].file = std::move(entry.file);
    } else if (entry.directory.empty()) {
      continue;
    } else if (entry.type == "local") {
      auto mode = entry.attrs.find("mode");
      BK_TRY(LocalMode parsed, ParseLocalMode(mode == entry.attrs.end() ? "" : mode->second));
      targets.files[static_cast<int>(i)] = ExportTarget{entry.directory, parsed == LocalMode::kDelete, {}};
    } else {
      if (targets.store != nullptr) return InvalidArgument("oci store key ", Quote(kExportStore), " already exists");
      BK_ASSIGN(targets.store, BlobStore::Open(entry.directory));
    }
  }
  return targets;
}

}  // namespace bk::client
