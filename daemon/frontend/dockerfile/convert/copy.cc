// COPY and ADD: which trees, which patterns, as one file operation or as a layer of its own (--link).
#include "base/go_parse.h"
#include "base/id.h"
#include "base/path.h"
#include "daemon/frontend/dockerfile/convert/checks.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"
#include "daemon/frontend/git_source.h"
#include "daemon/frontend/dockerfile/convert/os_path.h"
#include "daemon/frontend/dockerfile/convert/remote_source.h"
#include "daemon/frontend/without_credentials.h"

namespace bk::dockerfile {
namespace {

struct Mode {
  int32_t octal = -1;
  std::string symbolic;
};

// who* ((+|-|=) perm*)+, separated by commas, as chmod(1) takes it.
bool IsSymbolicMode(std::string_view text) {
  auto take = [&](std::string_view set) {
    size_t n = std::min(text.find_first_not_of(set), text.size());
    text.remove_prefix(n);
    return n;
  };
  while (true) {
    take("ugoa");
    bool any = false;
    while (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == '=')) {
      text.remove_prefix(1);
      take("rwxXstugo");
      any = true;
    }
    if (!any) return false;
    if (text.empty()) return true;
    if (text[0] != ',') return false;
    text.remove_prefix(1);
  }
}

absl::StatusOr<Mode> ParseMode(const std::string& text) {
  if (text.empty()) return Mode{};
  auto octal = ParseUint(text, 8, 32);
  bool numeric = text[0] >= '0' && text[0] <= '9';
  if (octal.ok() ? *octal > 07777 : numeric) {
    return InvalidArgument("invalid chmod parameter: '", text, "'. it should be octal string and between 0 and 07777");
  }
  if (octal.ok()) return Mode{static_cast<int32_t>(*octal), ""};
  if (!IsSymbolicMode(text)) return InvalidArgument("invalid syntax");
  return Mode{0, text};
}

bool HasWildcards(std::string_view name) {
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] == '*' || name[i] == '?' || name[i] == '[') return true;
    if (name[i] == '\\') i++;
  }
  return false;
}

class CopyDispatcher {
 public:
  CopyDispatcher(Conversion& conversion, StageState& stage, const Command& command)
      : c_(conversion), stage_(stage), command_(command), copy_(*command.instruction.As<CopyInstruction>()), os_(stage.platform->os) {}

  absl::Status Dispatch();

 private:
  absl::Status CheckChecksum() const;
  absl::StatusOr<std::string> Destination() const;
  absl::Status AddSource(const std::string& source);
  absl::Status AddLocal(std::string source);
  absl::Status AddHttp(const std::string& source);
  absl::Status AddGit(GitContext git);
  absl::Status AddContent(const InlineFile& file);
  // What all copies of the instruction have in common.
  pb::FileActionCopy BaseCopy(std::string source) const;
  void AddStep(const llb::State& tree, pb::FileActionCopy copy) {
    steps_.push_back(llb::CopyStep(tree, std::move(copy), owner_));
  }
  std::string StepName(const std::string& text) { return PrefixedName(c_, stage_, text, stage_.platform, stage_.state->env()); }
  void Apply(const std::string& shown, const std::string& name);
  std::string HistoryStart() const;

  Conversion& c_;
  StageState& stage_;
  const Command& command_;
  const CopyInstruction& copy_;
  const std::string os_;
  std::optional<llb::State> tree_;  // what local sources are in
  std::string destination_, step_name_;
  Mode mode_;
  // Of repositories: what one source's URL says holds for those behind it too.
  std::optional<bool> keep_git_dir_;
  std::string git_checksum_;
  std::optional<llb::Owner> owner_;
  std::vector<llb::FileStep> steps_;
};

absl::Status CopyDispatcher::CheckChecksum() const {
  if (copy_.checksum.empty()) return absl::OkStatus();
  if (copy_.sources.size() != 1) return InvalidArgument("checksum can't be specified for multiple sources");
  if (!IsHttpSource(copy_.sources[0]) && !IsGitSource(copy_.sources[0])) return InvalidArgument("checksum requires HTTP(S) or Git sources");
  return absl::OkStatus();
}

absl::StatusOr<std::string> CopyDispatcher::Destination() const {
  auto rest = WithoutDrive(copy_.destination, os_, true);
  if (!rest.ok()) return Annotate(rest.status(), "removing drive letter");
  if (IsAbsoluteOn(*rest, os_)) return NormalizeOsPath("/", *rest, os_, true);
  bool here = rest->empty() || *rest == ".";
  return NormalizeOsPath(stage_.state->dir(), here ? "./" : *rest, os_, true);
}

pb::FileActionCopy CopyDispatcher::BaseCopy(std::string source) const {
  pb::FileActionCopy copy;
  copy.set_src(std::move(source));
  copy.set_dest(destination_);
  copy.set_mode(mode_.octal);
  copy.set_modestr(mode_.symbolic);
  copy.set_createdestpath(true);
  for (const std::string& pattern : copy_.exclude) copy.add_exclude_patterns(pattern);
  return copy;
}

absl::Status CopyDispatcher::AddLocal(std::string source) {
  if (command_.sources.empty()) CheckIgnored(c_, stage_, command_, source);
  std::vector<std::string> include, required;
  auto normal = [&](std::string_view path) -> absl::StatusOr<std::string> {
    auto result = NormalizeOsPath("/", path, os_, false);
    return result.ok() ? result : Annotate(result.status(), "removing drive letter");
  };
  if (copy_.parents) {
    // "a/./b/c" keeps b/ and drops a/; without pivot everything is kept.
    size_t pivot = source.find("/./");
    std::string pattern = pivot == std::string::npos ? source : source.substr(pivot + 3);
    source = pivot == std::string::npos ? "/" : source.substr(0, pivot);
    BK_TRY(pattern, normal(pattern));
    include.push_back(pattern.starts_with('/') ? pattern.substr(1) : pattern);
    if (!HasWildcards(source) && !HasWildcards(pattern)) {
      BK_TRY(std::string path, normal(JoinPath(source, pattern)));
      required.push_back(std::move(path));
    }
  }
  BK_TRY(source, normal(source));
  pb::FileActionCopy copy = BaseCopy(source);
  copy.set_followsymlink(true);
  copy.set_dircopycontents(true);
  copy.set_attemptunpackdockercompatibility(copy_.unpack.value_or(copy_.is_add));
  copy.set_allowwildcard(true);
  copy.set_allowemptywildcard(true);
  for (std::string& pattern : include) copy.add_include_patterns(std::move(pattern));
  for (std::string& path : required) copy.add_required_paths(std::move(path));
  AddStep(*tree_, std::move(copy));
  return absl::OkStatus();
}

absl::Status CopyDispatcher::AddHttp(const std::string& source) {
  if (!copy_.is_add) return InvalidArgument("source can't be a URL for COPY");
  std::string name = DownloadName(source);
  std::map<std::string, std::string> attrs = {{"http.filename", name}};
  llb::OpOptions options;
  options.Name(step_name_);
  options.description["com.docker.dockerfile.v1.command"] = "";
  options.caps.insert("source.http");
  if (!copy_.checksum.empty()) {
    BK_TRY(Digest checksum, Digest::Parse(copy_.checksum));
    attrs["http.checksum"] = checksum.str();
    options.caps.insert("source.http.checksum");
  }
  pb::FileActionCopy copy = BaseCopy(name);
  copy.set_attemptunpackdockercompatibility(copy_.unpack.value_or(false));
  AddStep(llb::Source(c_.graph, source, std::move(attrs), std::move(options)), std::move(copy));
  return absl::OkStatus();
}

absl::Status CopyDispatcher::AddGit(GitContext git) {
  if (!copy_.is_add) return InvalidArgument("source can't be a git ref for COPY");
  if (keep_git_dir_ && git.keep_git_dir && *keep_git_dir_ != *git.keep_git_dir) return InvalidArgument("inconsistent keep-git-dir configuration");
  if (git.keep_git_dir) keep_git_dir_ = git.keep_git_dir;
  if (!git_checksum_.empty() && !git.checksum.empty() && git_checksum_ != git.checksum) {
    return InvalidArgument("checksum mismatch ", Quote(git_checksum_), " != ", Quote(git.checksum));
  }
  if (!git.checksum.empty()) git_checksum_ = git.checksum;
  git.keep_git_dir = keep_git_dir_;
  git.checksum = git_checksum_;
  git.mtime.clear();
  AddStep(frontend::GitState(c_.graph, git, step_name_), BaseCopy("/"));
  return absl::OkStatus();
}

absl::Status CopyDispatcher::AddSource(const std::string& source) {
  BK_TRY(std::optional<frontend::GitRequest> git, frontend::ParseGitRequest(source));
  if (git && !git->git.indistinguishable_from_local) return AddGit(std::move(git->git));
  return IsHttpSource(source) ? AddHttp(source) : AddLocal(source);
}

absl::Status CopyDispatcher::AddContent(const InlineFile& file) {
  auto path = WithoutDrive(file.path, os_, false);
  if (!path.ok()) return Annotate(path.status(), "removing drive letter");
  llb::OpOptions options;
  options.Name("[internal] preparing inline document");
  llb::State made = llb::State::Scratch(c_.graph).File({llb::MakeFileStep(*path, 0644, file.data)}, std::move(options));
  AddStep(made, BaseCopy(ToSlash(*path, os_)));
  return absl::OkStatus();
}

std::string CopyDispatcher::HistoryStart() const {
  std::string out = copy_.is_add ? "ADD" : "COPY";
  if (copy_.parents) out += " --parents";
  if (!copy_.chown.empty()) out += " --chown=" + copy_.chown;
  if (!copy_.chmod.empty()) out += " --chmod=" + copy_.chmod;
  return out;
}

void CopyDispatcher::Apply(const std::string& shown, const std::string& name) {
  llb::OpOptions options;
  options.Name(name);
  options.locations.push_back(c_.LocationOf(command_.instruction.location));
  options.ignore_cache = stage_.ignore_cache;
  if (!copy_.link || !copy_.chmod.empty() || !c_.Supports("mergeop")) {
    stage_.state = stage_.state->File(std::move(steps_), std::move(options));
    return;
  }
  // The copy becomes a tree of its own that is laid over the stage: it need not be made again when the stage changes.
  pb::ProgressGroup group;
  group.set_id(NewId());
  stage_.command_index--;  // the same step once more
  group.set_name(StepName(shown));
  llb::OpOptions copy_options = options;
  group.set_weak(true);
  copy_options.progress_group = group;
  group.set_weak(false);
  options.progress_group = group;
  stage_.command_index--;
  options.Name(StepName("LINK " + shown));
  llb::State upper = llb::State::Scratch(c_.graph).File(std::move(steps_), std::move(copy_options));
  stage_.state = stage_.state->Merge({upper}, std::move(options));
}

absl::Status CopyDispatcher::Dispatch() {
  if (!copy_.is_add && !command_.sources.empty()) {
    const StageState& source = *command_.sources[0];
    if (!source.dispatched) {
      return InvalidArgument("cannot copy from stage ", Quote(copy_.from), ", it needs to be defined before current stage ",
                             Quote(stage_.shown_name));
    }
    tree_ = source.state;
  } else {
    tree_ = llb::State(c_.graph, c_.context_promise);
  }
  BK_TRY(destination_, Destination());
  if (!copy_.chown.empty()) owner_ = llb::Owner::Parse(copy_.chown);
  BK_TRY(mode_, ParseMode(copy_.chmod));
  BK_RETURN_IF_ERROR(CheckChecksum());
  keep_git_dir_ = copy_.keep_git_dir;
  git_checksum_ = copy_.checksum;
  std::string shown = frontend::WithoutCredentials(ShownCommand(c_.lex, command_.instruction.code, EnvVariables(stage_.state->env())));
  step_name_ = StepName(shown);
  std::string message = HistoryStart();
  for (const std::string& source : copy_.sources) {
    message += " " + frontend::WithoutCredentials(source);
    BK_RETURN_IF_ERROR(AddSource(source));
  }
  for (const InlineFile& file : copy_.contents) {
    message += " <<" + file.path;
    BK_RETURN_IF_ERROR(AddContent(file));
  }
  Apply(shown, step_name_);
  AddHistory(c_, stage_, message + " " + copy_.destination, Layer::kMade, true);
  if (!command_.sources.empty()) {
    for (const std::string& source : copy_.sources) command_.sources[0]->used_paths->insert(JoinPath("/", source));
    return absl::OkStatus();
  }
  for (const std::string& source : copy_.sources) {
    bool url = source.starts_with("http://") || source.starts_with("https://");
    if (!copy_.is_add || !url) stage_.context_paths.insert(JoinPath("/", source));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DispatchCopy(Conversion& conversion, StageState& stage, const Command& command) {
  return CopyDispatcher(conversion, stage, command).Dispatch();
}

}  // namespace bk::dockerfile
