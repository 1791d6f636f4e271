// A bundle of a registry or of a client's store as a repository that can be fetched from (SRC-060).
//
// It lies in a repository of its own, so that what is in it only gets where a fetch from the remote would have brought it. The
// address of the repository it stands for is not asked. Belongs to one thread.
#pragma once

#include <string>

#include "base/os/file.h"
#include "daemon/source/blob.h"
#include "daemon/source/git/git_cli.h"

namespace bk::source {

class Bundle {
 public:
  // Fetches the blob that `id.bundle` names and unpacks it with `git` (without a repository). Unknown when it is no bundle, is
  // not whole, or does not have the commit of `id.checksum`.
  static absl::StatusOr<Bundle> Open(const CancelToken& cancel, const cache::FetchContext& context, const ImageSourceOptions& blobs, const GitCli& git, const GitIdentifier& id);
  std::string url() const { return "file://" + repository(); }

 private:
  explicit Bundle(os::TempDir dir) : dir_(std::move(dir)) {}
  std::string repository() const { return dir_.path() + "/repository"; }
  os::TempDir dir_;
};

}  // namespace bk::source
