#include "daemon/frontend/dockerfile/convert/epoch.h"

#include <ctime>

#include "base/go_parse.h"
#include "base/split.h"
#include "base/time_text.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/archive_time.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"
#include "daemon/frontend/dockerfile/convert/remote_source.h"

namespace bk::dockerfile {
namespace {

constexpr char kKey[] = "SOURCE_DATE_EPOCH";

bool HasUrlScheme(std::string_view identifier) { return identifier.starts_with("http://") || identifier.starts_with("https://"); }

// The one source of a tree; none if it has several.
absl::StatusOr<std::optional<pb::SourceOp>> OnlySource(const llb::State& state, const Platform& platform) {
  BK_TRY(pb::Definition definition, state.graph().Marshal(state.output(), platform));
  std::optional<pb::SourceOp> found;
  for (const std::string& bytes : definition.def()) {
    pb::Op op;
    if (!op.ParseFromString(bytes)) return InvalidArgument("an operation of the definition cannot be read");
    if (!op.has_source()) continue;
    if (found) return std::nullopt;
    found = std::move(*op.mutable_source());
  }
  return found;
}

// A stage that is there for its time alone: FROM scratch and one ADD of a URL or a repository.
class TimeStage {
 public:
  TimeStage(Conversion& c, const Stage& stage) : c_(c), stage_(stage), env_(c.global_args) { env_.Delete(kKey); }

  absl::StatusOr<llb::State> Source() {
    auto base = Expand(stage_.head().base);
    if (!base.ok()) return Annotate(base.status(), StrCat("failed to process source stage base name ", Quote(stage_.head().base)));
    if (*base != "scratch") return InvalidArgument("SOURCE_DATE_EPOCH stage must use FROM scratch");
    std::optional<llb::State> source;
    for (const Instruction& instruction : stage_.commands) {
      const auto* copy = instruction.As<CopyInstruction>();
      if (const auto* arg = instruction.As<ArgInstruction>()) {
        BK_RETURN_IF_ERROR(Declare(*arg));
      } else if (copy == nullptr || !copy->is_add) {
        return InvalidArgument("SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported ", instruction.keyword, " instruction");
      } else if (source) {
        return InvalidArgument("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
      } else {
        BK_ASSIGN(source, Added(*copy));
      }
    }
    if (!source) return InvalidArgument("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
    return *std::move(source);
  }

 private:
  absl::StatusOr<std::string> Expand(const std::string& word) const {
    Expansion expansion;
    BK_RETURN_IF_ERROR(c_.lex.Process(word, EnvVariables(env_), expansion));
    return std::move(expansion.word);
  }

  absl::Status Declare(const ArgInstruction& instruction) {
    for (const BuildArgument& argument : instruction.args) {
      if (auto given = c_.build_args.find(argument.key); given != c_.build_args.end()) {
        env_.Set(argument.key, given->second);
      } else if (argument.value) {
        BK_TRY(std::string value, Expand(*argument.value));
        env_.Set(argument.key, std::move(value));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<llb::State> Added(const CopyInstruction& add) const {
    if (!add.contents.empty() || add.sources.size() != 1) return InvalidArgument("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source");
    BK_TRY(std::string source, Expand(add.sources[0]));
    if (IsHttpSource(source)) {
      std::map<std::string, std::string> attrs = {{"http.filename", DownloadName(source)}};
      if (!add.checksum.empty()) {
        BK_TRY(std::string text, Expand(add.checksum));
        BK_TRY(Digest checksum, Digest::Parse(text));
        attrs["http.checksum"] = checksum.str();
      }
      return llb::Source(c_.graph, source, std::move(attrs), {});
    }
    BK_TRY(std::optional<frontend::GitRequest> git, frontend::ParseGitRequest(source));
    if (!git || git->git.indistinguishable_from_local) return InvalidArgument("SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD");
    if (add.keep_git_dir.value_or(false)) git->git.keep_git_dir = true;
    if (!add.checksum.empty()) BK_ASSIGN(git->git.checksum, Expand(add.checksum));
    git->git.mtime.clear();
    git->git.fetch_by_commit = false;
    return frontend::GitState(c_.graph, git->git, "");
  }

  Conversion& c_;
  const Stage& stage_;
  llb::EnvList env_;
};

struct TimeSource {
  llb::State state;
  std::string log_name;
};

absl::StatusOr<TimeSource> NamedContextSource(Conversion& c, const NamedContext& context, const std::string& name) {
  StageState loaded;
  size_t open = c.pending_directories.size();
  BK_RETURN_IF_ERROR(LoadNamedContext(c, loaded, context, std::nullopt).status());
  if (c.pending_directories.size() > open) {  // nothing of the directory is needed
    PendingDirectory& pending = c.pending_directories.back();
    loaded.state = llb::Local(c.graph, pending.name, std::move(pending.options));
    c.pending_directories.pop_back();
  }
  return TimeSource{*std::move(loaded.state), StrCat("[internal] resolve SOURCE_DATE_EPOCH named context ", name)};
}

absl::StatusOr<TimeSource> SourceOf(Conversion& c, const std::string& value, const std::vector<Stage>& stages) {
  if (value == "context") {
    BK_TRY(llb::State context, c.input.context->MainContext(c.graph, {}));
    return TimeSource{std::move(context), "[internal] resolve main build context metadata"};
  }
  BK_TRY(std::optional<NamedContext> context, LookUpNamedContext(c.options, value, HostPlatform()));
  if (context) return NamedContextSource(c, *context, value);
  for (const Stage& stage : stages) {
    const std::string& name = stage.head().name;
    if (!EqualFold(name, value)) continue;
    auto source = TimeStage(c, stage).Source();
    if (!source.ok()) return AddLocation(source.status(), stage.from.location);
    return TimeSource{*std::move(source), StrCat("[internal] resolve SOURCE_DATE_EPOCH source stage ", name)};
  }
  return InvalidArgument("invalid SOURCE_DATE_EPOCH: ", value);
}

// Of a URL without Last-Modified: the newest file of the archive that it is.
absl::StatusOr<std::optional<Epoch>> TimeOfArchive(const Conversion& c, const pb::SourceOp& source, const std::string& filename) {
  llb::Graph graph;
  llb::State file = llb::Source(graph, source.identifier(), {source.attrs().begin(), source.attrs().end()}, {});
  frontend::SolveRequest request;
  BK_TRY(pb::Definition definition, graph.Marshal(file.output(), c.build_platform));
  request.definition = std::make_shared<const pb::Definition>(std::move(definition));
  frontend::Bridge& bridge = c.input.context->bridge();
  const CancelToken& cancel = c.input.context->cancel();
  BK_TRY(frontend::Result result, bridge.Solve(cancel, request));
  if (!result.ref) return std::nullopt;
  return NewestInArchive([&](int64_t offset, int64_t length) { return bridge.ReadFile(cancel, *result.ref, filename, offset, length); });
}

absl::StatusOr<std::optional<Epoch>> TimeOf(const Conversion& c, const TimeSource& from) {
  BK_TRY(std::optional<pb::SourceOp> source, OnlySource(from.state, c.build_platform));
  if (!source) return std::nullopt;
  frontend::Bridge::ResolveOptions options;
  options.log_name = from.log_name;
  options.git_objects = source->identifier().starts_with("git://");
  BK_TRY(frontend::SourceMetadata metadata, c.input.context->bridge().ResolveSourceMeta(c.input.context->cancel(), *source, options));
  if (metadata.git && !metadata.git->commit_object.empty()) return CommitterTime(metadata.git->commit_object);
  if (metadata.http && metadata.http->last_modified_s) return Epoch{*metadata.http->last_modified_s, 0, 0};
  auto filename = source->attrs().find("http.filename");
  if (!HasUrlScheme(source->identifier()) || filename == source->attrs().end() || filename->second.empty()) return std::nullopt;
  return TimeOfArchive(c, *source, filename->second);
}

absl::StatusOr<std::optional<Epoch>> Resolve(Conversion& c, const std::string& value, const std::vector<Stage>& stages) {
  if (value.empty()) return std::nullopt;
  if (auto seconds = ParseInt(value); seconds.ok()) return Epoch{*seconds, 0, 0};
  BK_TRY(TimeSource source, SourceOf(c, value, stages));
  return TimeOf(c, source);
}

}  // namespace

absl::StatusOr<std::string> Epoch::Text() const {
  constexpr int64_t kYear0 = -62167219200, kYear10000 = 253402300800;
  constexpr int kDay = 86400;
  if (seconds < kYear0 - kDay || seconds >= kYear10000 + kDay || seconds + zone_s < kYear0 || seconds + zone_s >= kYear10000) {
    return InvalidArgument("year outside of range [0,9999]");
  }
  int zone_min = (zone_s < 0 ? -zone_s : zone_s) / 60;
  if (zone_min >= kDay / 60) return InvalidArgument("timezone hour outside of range [0,23]");
  char zone[64] = "Z";
  if (zone_s != 0) std::snprintf(zone, sizeof zone, "%c%02d:%02d", zone_s < 0 ? '-' : '+', zone_min / 60, zone_min % 60);
  return Rfc3339(seconds + zone_s, nanos, Decimals::kAsNeeded, 'T', zone);
}

int64_t Epoch::Nanoseconds() const {
  return static_cast<int64_t>(static_cast<uint64_t>(seconds) * 1'000'000'000u + static_cast<uint64_t>(static_cast<int64_t>(nanos)));
}

absl::Status SetEpoch(Conversion& c, const std::vector<Stage>& stages) {
  auto given = c.build_args.find(kKey);
  bool is_given = given != c.build_args.end();
  std::string value = is_given ? given->second : std::string(c.global_args.Get(kKey).value_or(""));
  BK_TRY(c.epoch, Resolve(c, value, stages));
  if (c.epoch) {
    auto text = c.epoch->Text();
    if (!text.ok()) return Annotate(text.status(), StrCat("invalid SOURCE_DATE_EPOCH: ", value));
    c.epoch_text = *std::move(text);
  }
  // One that leads to no time counts as not given.
  std::string seconds = c.epoch ? std::to_string(c.epoch->seconds) : "";
  if (is_given) seconds.empty() ? (void)c.build_args.erase(given) : (void)(given->second = seconds);
  if (c.global_args.Get(kKey)) seconds.empty() ? c.global_args.Delete(kKey) : c.global_args.Set(kKey, seconds);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Epoch>> CommitterTime(std::string_view commit) {
  std::string_view headers = commit.substr(0, commit.find("\n\n"));
  if (headers.starts_with("object ")) return InvalidArgument("not a commit object");
  std::string_view committer;
  for (std::string_view required : {"tree ", "author ", "committer "}) {
    bool found = false;
    for (std::string_view line : Split(headers, '\n')) {
      if (!line.starts_with(required)) continue;
      if (required == "committer " && !found) committer = line.substr(required.size());
      found = true;
    }
    if (!found) return InvalidArgument("invalid commit object: missing ", required.substr(0, required.size() - 1), " header");
  }
  // NAME <MAIL> SECONDS ±HHMM; names may have brackets in them.
  size_t open = committer.rfind('<'), close = committer.rfind('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  std::string_view time = TrimSpace(committer.substr(close + 1));
  size_t space = time.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto seconds = ParseInt(time.substr(0, space));
  std::string_view zone = TrimSpace(time.substr(space));
  zone = zone.substr(0, zone.find(' '));
  if (!seconds.ok() || zone.size() != 5 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  auto hours = ParseInt(zone.substr(1, 2)), minutes = ParseInt(zone.substr(3, 2));
  int offset = static_cast<int>((hours.ok() ? *hours : 0) * 3600 + (minutes.ok() ? *minutes : 0) * 60);
  return Epoch{*seconds, 0, zone[0] == '-' ? -offset : offset};
}

}  // namespace bk::dockerfile
