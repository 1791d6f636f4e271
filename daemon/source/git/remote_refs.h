// What a remote says its refs are: how a name becomes an object, as `git ls-remote` tells it (SRC-067).
//
// A branch goes before a tag of the same name; annotated tags are peeled. Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/source/identifier.h"

namespace bk::source {

struct ResolvedRef {
  std::string ref;     // full name, or the object id itself
  std::string object;  // of a commit, or of a tag object
  std::string commit;  // behind the tag object; else ""
};

// What needs no remote to be known: a commit by its id, or one to be fetched as such. nullopt: the remote is to be asked.
// Unknown for checksums that are none, or do not fit.
absl::StatusOr<std::optional<ResolvedRef>> ResolveWithoutRemote(const GitIdentifier& id);
// The arguments after `ls-remote`; for the default branch when the identifier names no ref.
std::vector<std::string> LsRemoteArguments(const GitIdentifier& id, const std::string& url);
// Reads the answer. Unknown when the ref is not there, or is not the one of the checksum.
absl::StatusOr<ResolvedRef> ResolveAnswer(const GitIdentifier& id, const std::string& shown_url, const std::string& answer);

// Names of the tags that are `object` or point at it, of an answer to `ls-remote --tags`.
std::vector<std::string> TagsAt(const std::string& answer, const std::string& object);

// "SHA.git#REF:SUBDIR(skip-submodules)…" (SRC-071).
std::string GitCacheKey(const GitIdentifier& id, const ResolvedRef& resolved);

}  // namespace bk::source
