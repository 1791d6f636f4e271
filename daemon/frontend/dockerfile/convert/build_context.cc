#include "daemon/frontend/dockerfile/convert/build_context.h"

#include "base/ignore_pattern.h"
#include "base/path.h"
#include "base/task_group.h"
#include "base/unicode.h"
#include "proto/llb/import.h"

namespace bk::dockerfile {
namespace {

constexpr char kDefaultDockerfile[] = "Dockerfile";
constexpr char kIgnoreFile[] = ".dockerignore";
constexpr char kContextLocal[] = "context";
constexpr char kDownload[] = "context";    // its name in the tree
constexpr int64_t kArchiveHeadBytes = 1024;

// One block of numbers in octal with their sum: what every tar file begins with (POSIX, pax, "ustar Interchange Format").
bool IsTarHeader(std::string_view block) {
  constexpr size_t kBlockBytes = 512, kSumAt = 148, kSumBytes = 8;
  if (block.size() < kBlockBytes) return false;
  int64_t sum = 0;
  for (size_t i = 0; i < kBlockBytes; i++) sum += i >= kSumAt && i < kSumAt + kSumBytes ? ' ' : static_cast<unsigned char>(block[i]);
  std::string_view digits = block.substr(kSumAt, kSumBytes);
  digits.remove_prefix(std::min(digits.find_first_not_of(std::string_view(" \0", 2)), digits.size()));
  int64_t said = 0;
  size_t count = 0;
  for (; count < digits.size() && digits[count] >= '0' && digits[count] <= '7'; count++) said = said * 8 + (digits[count] - '0');
  return count > 0 && said == sum;
}

bool IsArchive(std::string_view head) {
  for (std::string_view magic : {std::string_view("BZh"), std::string_view("\x1f\x8b\x08"), std::string_view("\xfd\x37zXZ\0", 6)}) {
    if (head.starts_with(magic)) return true;
  }
  return IsTarHeader(head);
}

}  // namespace

llb::State BuildContext::Download(llb::Graph& graph) const {
  llb::OpOptions options;
  options.caps.insert("source.http");
  options.Name("[internal] load remote build context");
  llb::State file = llb::Source(graph, options_.context_url, {{"http.filename", kDownload}}, std::move(options));
  if (!is_archive_) return file;
  pb::FileActionCopy unpack;
  unpack.set_src(StrCat("/", kDownload));
  unpack.set_dest("/");
  unpack.set_mode(-1);
  unpack.set_attemptunpackdockercompatibility(true);
  return llb::State::Scratch(graph).File({llb::CopyStep(file, std::move(unpack), std::nullopt)}, {});
}

llb::State BuildContext::Remote(llb::Graph& graph) const { return options_.context_git ? frontend::GitContextState(graph, *options_.context_git) : Download(graph); }

llb::State BuildContext::WithinSubdir(const llb::State& context) const {
  if (!options_.context_subdir) return context;
  pb::FileActionCopy copy;
  copy.set_src(*options_.context_subdir);
  copy.set_dest("/");
  copy.set_mode(-1);
  copy.set_dircopycontents(true);
  return llb::State::Scratch(context.graph()).File({llb::CopyStep(context, std::move(copy), std::nullopt)}, {});
}

absl::Status BuildContext::Open() {
  filename_ = options_.filename;
  if (!is_download()) return absl::OkStatus();
  llb::Graph graph;
  std::shared_ptr<const pb::Definition> definition;
  auto ref = Load(Download(graph), definition, false);
  if (!ref.ok()) return Annotate(ref.status(), "failed to resolve httpcontext");
  if (*ref == nullptr) return NotFound("failed to resolve httpcontext: the context is empty");
  auto head = bridge_.ReadFile(cancel_, **ref, kDownload, 0, kArchiveHeadBytes);
  if (!head.ok()) return Annotate(head.status(), "failed to read downloaded context");
  is_archive_ = IsArchive(*head);
  if (!is_archive_) filename_ = kDownload;
  return absl::OkStatus();
}

std::string BuildContext::SessionOf(const std::string& local_name) const {
  auto own = options_.local_session_ids.find(local_name);
  return own == options_.local_session_ids.end() ? bridge_.SessionId() : own->second;
}

absl::StatusOr<std::optional<llb::State>> BuildContext::Input(llb::Graph& graph, const std::string& name) const {
  auto input = inputs_.find(name);
  if (input == inputs_.end()) return std::nullopt;
  if (input->second->metadata().empty()) return InvalidArgument("invalid nil input definition to definition op");
  auto imported = llb::Import(graph, *input->second);
  if (!imported.ok()) return Annotate(imported.status(), StrCat("input ", Quote(name)));
  return llb::State(graph, imported->output, imported->platform);
}

absl::StatusOr<frontend::RefPtr> BuildContext::Load(const llb::State& state, std::shared_ptr<const pb::Definition>& definition, bool evaluate) {
  BK_TRY(pb::Definition made, state.graph().Marshal(state.output(), NormalizePlatform(HostPlatform())));
  definition = std::make_shared<const pb::Definition>(std::move(made));
  frontend::SolveRequest request;
  request.definition = definition;
  request.evaluate = evaluate;
  BK_TRY(frontend::Result result, bridge_.Solve(cancel_, request));
  return result.ref;
}

absl::StatusOr<frontend::RefPtr> BuildContext::LoadLocal(const std::string& local_name, llb::LocalOptions options,
                                                         std::shared_ptr<const pb::Definition>& definition, bool evaluate) {
  llb::Graph graph;
  options.session_id = SessionOf(local_name);
  options.differ = "none";  // so few files that comparing them costs more than sending them
  BK_TRY(frontend::RefPtr ref, Load(llb::Local(graph, local_name, std::move(options)), definition, evaluate));
  if (!ref) return NotFound("local source ", Quote(local_name), " is empty");
  return ref;
}

absl::StatusOr<llb::SourceMap> BuildContext::ReadDockerfile() {
  const std::string& filename = filename_;
  std::string lower_case = JoinPath(DirName(filename), ToLower(kDefaultDockerfile));
  bool is_default = BaseName(filename) == kDefaultDockerfile;
  llb::LocalOptions local;
  local.follow_paths = {filename, filename + kIgnoreFile};
  if (is_default) local.follow_paths.push_back(lower_case);
  local.shared_key_hint = options_.dockerfile_name;
  local.op.Name(StrCat("[internal] load build definition from ", filename));

  llb::SourceMap map;
  llb::Graph graph;
  std::optional<llb::State> input;
  if (!options_.local_dockerfile && is_remote()) {
    input = Remote(graph);
  } else if (!options_.local_dockerfile) {
    BK_ASSIGN(input, Input(graph, options_.dockerfile_name));
  }
  auto ref = input ? Load(*input, map.definition, false) : LoadLocal(options_.dockerfile_name, std::move(local), map.definition);
  if (!ref.ok()) return Annotate(ref.status(), "failed to resolve dockerfile");
  if (*ref == nullptr) return NotFound("failed to read dockerfile: input ", Quote(options_.dockerfile_name), " is empty");
  auto text = bridge_.ReadFile(cancel_, **ref, filename, 0, -1);
  if (!text.ok() && is_default) {
    if (auto lower = bridge_.ReadFile(cancel_, **ref, lower_case, 0, -1); lower.ok()) text = std::move(lower);
  }
  if (!text.ok()) return Annotate(text.status(), "failed to read dockerfile");
  map.filename = filename;
  map.language = "Dockerfile";
  map.data = *std::move(text);
  if (auto own = bridge_.ReadFile(cancel_, **ref, filename + kIgnoreFile, 0, -1); own.ok()) {
    ignore_file_ = *std::move(own);
    ignore_name_ = filename + kIgnoreFile;
  }
  return map;
}

absl::StatusOr<std::vector<std::string>> BuildContext::IgnorePatterns() {
  if (is_remote() || inputs_.contains(kContextLocal)) return std::vector<std::string>();
  if (!ignore_file_) {
    llb::LocalOptions local;
    local.follow_paths = {kIgnoreFile};
    local.shared_key_hint = StrCat(kContextLocal, "-", kIgnoreFile);
    local.op.Name(StrCat("[internal] load ", kIgnoreFile));
    std::shared_ptr<const pb::Definition> definition;
    BK_TRY(frontend::RefPtr ref, LoadLocal(kContextLocal, std::move(local), definition));
    auto text = bridge_.ReadFile(cancel_, *ref, kIgnoreFile, 0, -1);
    BK_RETURN_IF_ERROR(cancel_.Check());
    ignore_file_ = text.ok() ? *std::move(text) : "";  // most contexts have none
    ignore_name_ = kIgnoreFile;
  }
  auto patterns = ReadIgnoreFile(*ignore_file_);
  if (!patterns.ok()) return Annotate(patterns.status(), StrCat("failed parsing ", ignore_name_));
  return patterns;
}

absl::StatusOr<std::vector<std::string>> BuildContext::IgnorePatternsOf(const std::string& local_name, const std::string& context) {
  llb::LocalOptions local;
  local.follow_paths = {kIgnoreFile};
  local.shared_key_hint = StrCat("context:", context, "-", kIgnoreFile);
  local.op.Name(StrCat("[context ", context, "] load ", kIgnoreFile));
  std::shared_ptr<const pb::Definition> definition;
  BK_TRY(frontend::RefPtr ref, LoadLocal(local_name, std::move(local), definition, true));
  auto text = bridge_.ReadFile(cancel_, *ref, kIgnoreFile, 0, -1);
  BK_RETURN_IF_ERROR(cancel_.Check());
  if (!text.ok() || text->empty()) return std::vector<std::string>();
  auto patterns = ReadIgnoreFile(*text);
  if (!patterns.ok()) return Annotate(patterns.status(), StrCat("failed parsing ", kIgnoreFile));
  return patterns;
}

absl::StatusOr<llb::State> BuildContext::MainContext(llb::Graph& graph, const std::vector<std::string>& follow_paths) {
  if (is_remote()) return WithinSubdir(Remote(graph));
  BK_TRY(std::optional<llb::State> input, Input(graph, kContextLocal));
  if (input) return WithinSubdir(*input);
  auto patterns = IgnorePatterns();
  if (!patterns.ok()) return Annotate(patterns.status(), "failed to read dockerignore patterns");
  llb::LocalOptions local;
  local.session_id = SessionOf(kContextLocal);
  local.exclude_patterns = *std::move(patterns);
  local.shared_key_hint = kContextLocal;
  local.follow_paths = follow_paths;
  local.op.Name("[internal] load build context");
  return llb::Local(graph, kContextLocal, std::move(local));
}

void BuildContext::AskForImages(const std::set<ImageQuestion>& questions) {
  std::vector<std::pair<const ImageQuestion*, ImageAnswer*>> open;
  for (const ImageQuestion& question : questions) {
    auto [entry, is_new] = images_.try_emplace(question, absl::UnknownError("not asked"));
    if (is_new) open.emplace_back(&entry->first, &entry->second);
  }
  auto ask = [this](const ImageQuestion& question) {
    frontend::Bridge::ResolveOptions options;
    options.platform = question.platform;
    options.resolve_mode = options_.resolve_mode.empty() ? "default" : options_.resolve_mode;
    std::string platform = options_.multi_platform ? FormatPlatformAll(question.platform) + " " : "";
    options.log_name = StrCat("[", platform, "internal] load metadata for ", question.ref);
    return bridge_.ResolveImageConfig(cancel_, question.ref, options);
  };
  if (open.size() == 1) {
    *open[0].second = ask(*open[0].first);
    return;
  }
  TaskGroup group;
  for (auto [question, answer] : open) group.Run([&ask, question, answer] { *answer = ask(*question); });
  group.Wait();
}

}  // namespace bk::dockerfile
