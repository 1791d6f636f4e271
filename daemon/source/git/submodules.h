// What .gitmodules says. The file is the repository author's: names and paths are compared, never used as paths here.
//
// Values; ReadGitmodules blocks.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/source/git/git_cli.h"

namespace bk::source {

struct Submodule {
  std::string url;
  bool skipped = false;  // "update = none"
};

// By path, of the file in the tree of `object`; none if there is no such file. Entries without path or URL are left out.
absl::StatusOr<std::map<std::string, Submodule>> ReadGitmodules(const CancelToken& cancel, const GitCli& git, const std::string& object);

// Of `git config --null --list`.
std::map<std::string, Submodule> ParseGitmodules(std::string_view listing);

}  // namespace bk::source
