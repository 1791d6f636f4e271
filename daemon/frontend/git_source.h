// Git repositories as sources of a build: ADD, the build context, named contexts.
//
// Which texts mean a repository is decided by base/git_url.h; identifiers, attributes and capabilities are those of the
// original's client library (client/llb/source.go). Values; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "base/git_url.h"
#include "proto/llb/state.h"

namespace bk::frontend {

struct GitRequest {
  GitContext git;
  std::string text;  // as the user wrote it
};

// nullopt: no repository. InvalidArgument: one that is written wrongly.
absl::StatusOr<std::optional<GitRequest>> ParseGitRequest(const std::string& text);

// `git.keep_git_dir`, `checksum` and so on decide; `name` is shown in progress.
llb::State GitState(llb::Graph& graph, const GitContext& git, std::string name);
// The same as a context: named by what it is, without passwords.
llb::State GitContextState(llb::Graph& graph, const GitRequest& request);

}  // namespace bk::frontend
