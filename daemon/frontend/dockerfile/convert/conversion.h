// What all steps of one conversion share.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ignore_pattern.h"
#include "daemon/frontend/dockerfile/convert/converter.h"
#include "daemon/frontend/dockerfile/convert/epoch.h"
#include "daemon/frontend/dockerfile/convert/global_args.h"
#include "daemon/frontend/dockerfile/convert/stage_state.h"

namespace bk::dockerfile {

// An environment as variables.
class EnvVariables final : public Variables {
 public:
  explicit EnvVariables(const llb::EnvList& env) : env_(env) {}
  std::optional<std::string_view> Get(std::string_view name) const override { return env_.Get(name); }

 private:
  const llb::EnvList& env_;
};

// A directory of the client that is a named context; bound when its paths are known.
struct PendingDirectory {
  llb::Output promise;
  std::string name;
  llb::LocalOptions options;
  std::shared_ptr<std::set<std::string>> used_paths;
};

struct Conversion {
  const ConvertInput& input;
  const BuildOptions& options;
  llb::Graph graph;
  Lex lex;
  Platform target_platform, build_platform;
  bool implicit_target = false;  // nobody asked for a platform
  std::map<std::string, std::string> build_args;
  Linter lint;  // of the file; a stage has that of the command at work
  llb::EnvList global_args;
  ArgumentInfos global_arg_infos;
  std::optional<Epoch> epoch;
  std::string epoch_text;  // RFC 3339, "" without epoch
  std::optional<pb::ProxyEnv> proxy;
  StageTable stages;
  std::vector<PendingDirectory> pending_directories;
  std::optional<PatternMatcher> ignored;  // of .dockerignore, if it says anything
  llb::Output context_promise;  // the build context, decided when all its paths are known

  bool Supports(std::string_view cap) const { return input.supports(cap); }
  // The place of an instruction, for operations made from it.
  llb::SourceLocation LocationOf(const Ranges& ranges) const;
};

// Sorted, relative to the tree; none if all of it is needed.
std::vector<std::string> FollowPathsOf(const std::set<std::string>& paths);
// Base images of all stages that need one.
absl::Status ResolveBaseImages(Conversion& conversion, const std::set<StageState*>& reachable);
// One instruction. Errors are without place.
absl::Status Dispatch(Conversion& conversion, StageState& stage, Command& command);

// Pieces of Dispatch.
absl::Status DispatchRun(Conversion& conversion, StageState& stage, const Command& command);
absl::Status DispatchCopy(Conversion& conversion, StageState& stage, const Command& command);
absl::Status DispatchWorkdir(Conversion& conversion, StageState& stage, const std::string& path, const Instruction* instruction);
absl::Status DispatchExpose(Conversion& conversion, StageState& stage, const Command& command);

enum class Layer { kNone, kMade };
// `suffix`: "# buildkit" as RUN, COPY and ADD have it.
void AddHistory(const Conversion& conversion, StageState& stage, std::string message, Layer layer, bool suffix = false);

// Arguments that only steer the scanner of attestations; commands do not see them.
bool IsScannerArgument(std::string_view name);

// `args` for the shell of the image.
std::vector<std::string> WithShell(const ImageConfig& image, const std::vector<std::string>& args);

// Names in progress: "[stage 2/5] RUN make". Counts the stage's commands up.
std::string PrefixedName(const Conversion& conversion, StageState& stage, const std::string& text, const std::optional<Platform>& platform,
                         const llb::EnvList& env);
// The instruction as shown: keyword in capitals, variables expanded where that works.
std::string ShownCommand(const Lex& lex, const std::string& code, const Variables& variables);

}  // namespace bk::dockerfile
