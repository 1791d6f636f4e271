// Where the results of a build's exporters go on this machine, by the exporter's number.
#pragma once

#include <map>
#include <memory>

#include "client/session/file_send.h"
#include "client/solve/options.h"

namespace bk::client {

inline constexpr char kExportStore[] = "export";

struct ExportTargets {
  std::map<int, ExportTarget> files;  // for FileSend
  std::shared_ptr<BlobStore> store;   // of an export without a tar archive; null if none
};

enum class LocalMode { kCopy, kDelete };
// "", "copy", "delete" in any letter case; InvalidArgument `invalid local exporter mode "x"`.
absl::StatusOr<LocalMode> ParseLocalMode(std::string_view text);

// Takes the files out of `exports`. InvalidArgument for a second store.
absl::StatusOr<ExportTargets> OpenExportTargets(std::vector<ExportEntry>& exports);

}  // namespace bk::client
