// The files of a build: the Dockerfile, .dockerignore and the build context, from the client, a repository or a URL. Results of other
// frontends (inputs) of their names go before the client's.
//
// Bound to one request; reads happen once and are kept. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/bridge.h"
#include "daemon/frontend/dockerfile/convert/options.h"
#include "proto/llb/state.h"

namespace bk::dockerfile {

using FrontendInputs = std::map<std::string, std::shared_ptr<const pb::Definition>>;

class BuildContext {
 public:
  BuildContext(const CancelToken& cancel, frontend::Bridge& bridge, const BuildOptions& options, const FrontendInputs& inputs)
      : cancel_(cancel), bridge_(bridge), options_(options), inputs_(inputs) {}

  // Downloads a context that is a URL, and sees whether it is an archive or a Dockerfile. Before everything else.
  absl::Status Open();
  // The Dockerfile with where it came from. Errors begin with "failed to read dockerfile: ".
  absl::StatusOr<llb::SourceMap> ReadDockerfile();
  // None where the context is an input, a repository or a URL. Of Dockerfile.dockerignore if there is one beside the Dockerfile, else of .dockerignore in the context.
  absl::StatusOr<std::vector<std::string>> IgnorePatterns();
  // Of the .dockerignore of a directory that is the named context `context`; none if there is no such file.
  absl::StatusOr<std::vector<std::string>> IgnorePatternsOf(const std::string& local_name, const std::string& context);
  // The context, narrowed to `follow_paths` unless empty.
  absl::StatusOr<llb::State> MainContext(llb::Graph& graph, const std::vector<std::string>& follow_paths);

  // The input of this name; nothing if there is none.
  absl::StatusOr<std::optional<llb::State>> Input(llb::Graph& graph, const std::string& name) const;

  // The image of `ref`; asked once a platform, however many stages and platforms of the build name it.
  using ImageAnswer = absl::StatusOr<frontend::Bridge::ImageConfig>;
  struct ImageQuestion {
    std::string ref;
    Platform platform;
    auto operator<=>(const ImageQuestion& other) const {
      return std::pair(ref, FormatPlatformAll(platform)) <=> std::pair(other.ref, FormatPlatformAll(other.platform));
    }
    bool operator==(const ImageQuestion& other) const { return (*this <=> other) == 0; }
  };
  // Asks for all of them side by side.
  void AskForImages(const std::set<ImageQuestion>& questions);
  const ImageAnswer& Image(const ImageQuestion& question) const { return images_.at(question); }

  frontend::Bridge& bridge() const { return bridge_; }
  const CancelToken& cancel() const { return cancel_; }
  const BuildOptions& options() const { return options_; }

  std::string SessionOf(const std::string& local_name) const;

 private:
  bool is_remote() const { return is_download() || options_.context_git.has_value(); }
  bool is_download() const { return !options_.context_url.empty(); }
  // The download: its tree if it is an archive, else as it is.
  llb::State Download(llb::Graph& graph) const;
  // The repository or the download.
  llb::State Remote(llb::Graph& graph) const;
  llb::State WithinSubdir(const llb::State& context) const;
  // A tree whose few files are read at once.
  absl::StatusOr<frontend::RefPtr> Load(const llb::State& state, std::shared_ptr<const pb::Definition>& definition, bool evaluate);
  // The same of the client's.
  absl::StatusOr<frontend::RefPtr> LoadLocal(const std::string& local_name, llb::LocalOptions options, std::shared_ptr<const pb::Definition>& definition, bool evaluate = false);

  const CancelToken& cancel_;
  frontend::Bridge& bridge_;
  const BuildOptions& options_;
  const FrontendInputs& inputs_;
  std::string filename_;     // of the Dockerfile
  bool is_archive_ = false;  // the download
  std::optional<std::string> ignore_file_;
  std::string ignore_name_;
  std::map<ImageQuestion, ImageAnswer> images_;
};

}  // namespace bk::dockerfile
