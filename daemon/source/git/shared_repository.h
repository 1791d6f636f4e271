// One bare repository a remote, kept between builds as a record of the cache, and how objects get into it (SRC-068, SRC-069).
//
// What was fetched is named refs/buildkit/… by a hash: names of the remote that exclude each other (a, a/b) or that move
// never meet. A repository that git cannot use any more is dropped and begun anew. The caller holds the remote's lock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/os/mount.h"
#include "daemon/cache/ref.h"
#include "daemon/source/git/git_cli.h"
#include "daemon/source/git/remote.h"
#include "daemon/source/git/remote_refs.h"

namespace bk::source {

struct FetchRequest {
  ResolvedRef want;
  std::string asked_ref;          // as the identifier names it, for messages
  bool by_commit = false;         // the object, whatever the ref says now
  bool whole = false;             // with all its history
  bool with_tags = false;         // also the tags at a wanted object that is named by its id
  std::function<absl::StatusOr<std::string>()> from;  // instead of the remote: the URL of a local repository, made when it is needed
};

class SharedRepository {
 public:
  // With the objects that `request` wants. `git` has the settings to reach the remote.
  static absl::StatusOr<SharedRepository> OpenWith(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                                   const GitCli& git, const FetchRequest& request);
  // The begun-anew way, for when the objects turned out to be damaged.
  static absl::StatusOr<SharedRepository> BeginAnew(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                                    const GitCli& git, const FetchRequest& request);
  const std::string& dir() const { return mounted_.path(); }
  // Without any transport.
  const GitCli& git() const { return local_; }

 private:
  SharedRepository() : local_(GitSettings()), remote_git_(GitSettings()) {}
  static absl::StatusOr<SharedRepository> Open(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                               const GitCli& git, bool sha256, bool anew);
  absl::Status Init(const CancelToken& cancel, const Remote& remote, bool sha256);
  // What a git that was ended left behind: locks that would stop the next one, and halves of packs.
  absl::Status Clean() const;
  bool IsShallow() const;
  std::vector<std::string> Depth(const FetchRequest& request) const;
  bool Has(const CancelToken& cancel, const std::string& object) const;
  absl::Status Fetch(const CancelToken& cancel, const FetchRequest& request);
  absl::Status FetchRef(const CancelToken& cancel, const FetchRequest& request);
  absl::Status FetchObject(const CancelToken& cancel, const FetchRequest& request);
  absl::Status FetchAll(const CancelToken& cancel, const FetchRequest& request);
  absl::StatusOr<std::vector<std::string>> TagRefspecs(const CancelToken& cancel, const FetchRequest& request) const;
  absl::Status RunFetch(const CancelToken& cancel, const FetchRequest& request, std::vector<std::string> options, const std::vector<std::string>& refspecs) const;

  // In the order of acquisition.
  cache::MutablePtr ref_;
  std::unique_ptr<cache::ActiveMount> mount_;
  os::TempMount mounted_;
  GitCli local_, remote_git_;
  Remote remote_;
};

// Whether a failure of git comes from the repository on disk.
bool IsDamaged(std::string_view message);

}  // namespace bk::source
