// Makes the tree that an identifier asks for: fetches the commit, writes it, and the commits of its submodules into it.
//
// A submodule is a remote like any other: it has a shared repository of its own, and its address passes the same checks.
// Only a tree with a .git directory leaves them to git itself, for their .git files to be where git looks for them.
#pragma once

#include <functional>
#include <string>

#include "base/keyed_lock.h"
#include "daemon/source/git/access.h"
#include "daemon/source/git/checkout.h"
#include "daemon/source/source.h"

namespace bk::source {

// For one tree, on one thread.
class TreeMaker {
 public:
  TreeMaker(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, KeyedLock& remotes, const RemoteAccess& access)
      : cancel_(cancel), context_(context), cache_(cache), remotes_(remotes), access_(access) {}
  // The wanted object comes from there (FetchRequest::from); submodules still from their remotes.
  void TakeFrom(std::function<absl::StatusOr<std::string>()> from) { from_ = std::move(from); }

  // Into the empty directory `into`.
  absl::Status Make(const GitIdentifier& id, const ResolvedRef& want, const Remote& remote, const std::string& into);

  // The texts of the wanted commit, and of the tag object that stands before it.
  absl::Status ReadObjects(const GitIdentifier& id, const ResolvedRef& want, const Remote& remote, ResolvedGit& out);

 private:
  struct Part;
  FetchRequest RequestOf(const GitIdentifier& id, const ResolvedRef& want) const;
  // Runs `f`, which fills `into`, on the remote's repository once it has the wanted object; anew if the repository turns out
  // to be damaged. Nothing is cleared away before that when `into` is "".
  absl::Status WithObject(const Remote& remote, const FetchRequest& request, const std::string& into, const std::function<absl::Status(const GitCli&)>& f);
  absl::Status CheckChecksum(const GitIdentifier& id, const std::string& object, const GitCli& git) const;
  absl::Status MakeBundle(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into);
  absl::Status MakeKept(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into);
  absl::Status MakePlain(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into);
  absl::StatusOr<Part> WritePart(const Remote& remote, const FetchRequest& request, const GitIdentifier& id, const std::string& subdir, const std::string& dir);
  // No remote's lock is held here: repositories may have each other as submodules.
  absl::Status WriteSubmodules(const Part& parent, int depth);

  const CancelToken& cancel_;
  const cache::FetchContext& context_;
  cache::CacheManager& cache_;
  KeyedLock& remotes_;
  const RemoteAccess& access_;
  std::function<absl::StatusOr<std::string>()> from_;
  int written_submodules_ = 0;
  int64_t commit_time_ = 0;
};

}  // namespace bk::source
