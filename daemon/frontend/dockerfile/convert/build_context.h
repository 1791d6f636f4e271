// The files that the client offers to a build: the Dockerfile, .dockerignore and the build context.
//
// Bound to one request; reads happen once and are kept. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/frontend/bridge.h"
#include "daemon/frontend/dockerfile/convert/options.h"
#include "proto/llb/state.h"

namespace bk::dockerfile {

using FrontendInputs = std::map<std::string, std::shared_ptr<const pb::Definition>>;

class BuildContext {
 public:
  BuildContext(const CancelToken& cancel, frontend::Bridge& bridge, const BuildOptions& options)
      : cancel_(cancel), bridge_(bridge), options_(options) {}

  // The Dockerfile with where it came from. Errors begin with "failed to read dockerfile: ".
  absl::StatusOr<llb::SourceMap> ReadDockerfile();
  // Of Dockerfile.dockerignore if there is one beside the Dockerfile, else of .dockerignore in the context.
  absl::StatusOr<std::vector<std::string>> IgnorePatterns();
  // The context, narrowed to `follow_paths` unless empty.
  absl::StatusOr<llb::State> MainContext(llb::Graph& graph, const std::vector<std::string>& follow_paths);

  frontend::Bridge& bridge() const { return bridge_; }
  const CancelToken& cancel() const { return cancel_; }
  const BuildOptions& options() const { return options_; }

 private:
  std::string SessionOf(const std::string& local_name) const;
  // A tree of the client whose few files are read at once.
  absl::StatusOr<frontend::RefPtr> Load(const std::string& local_name, llb::LocalOptions options, std::shared_ptr<const pb::Definition>& definition);

  const CancelToken& cancel_;
  frontend::Bridge& bridge_;
  const BuildOptions& options_;
  std::optional<std::string> ignore_file_;
  std::string ignore_name_;
};

}  // namespace bk::dockerfile
