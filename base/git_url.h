// Git remotes as users write them: URLs of four schemes and "user@host:path", with "#ref:subdir" behind.
//
// Two readings: of a source identifier (GitUrl) and of a build context or ADD (GitContext, which also takes query
// parameters and refuses what is more likely a path or an archive). Values; thread-safe. Golden: text/giturl.
#pragma once

#include <optional>
#include <string>

#include "base/go_url.h"

namespace bk {

struct GitUrl {
  std::string scheme, host, path, remote;  // `remote` is what git gets
  std::optional<GoUrl::UserInfo> user;
  GoUrl::Query query;
  bool has_fragment = false;
  std::string ref, subdir;  // of the fragment; subdir cleaned, never leaves the root

  // InvalidArgument `unknown protocol`, `ftp: invalid protocol`, or what net/url says.
  static absl::StatusOr<GitUrl> Parse(std::string_view text);
  static GitUrl From(const GoUrl& url);
};
// Whether git would be asked, judged by the beginning alone.
bool IsGitTransport(std::string_view text);

struct GitContext {
  std::string remote, short_name, ref, checksum, subdir, mtime;
  bool indistinguishable_from_local = false;  // "github.com/…"
  bool unencrypted_tcp = false;
  std::optional<bool> keep_git_dir, submodules;
  bool fetch_by_commit = false;

  // `is_git` tells whether the text was meant as git although it is refused.
  static absl::StatusOr<GitContext> Parse(std::string_view text, bool* is_git = nullptr);
  // "remote#ref:subdir".
  std::string Fragment(bool with_subdir) const;
};

}  // namespace bk
