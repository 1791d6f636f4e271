#include "base/guarded.h"
#include "base/os/file.h"
#include "base/split.h"
#include "daemon/source/git/bundle.h"
#include "daemon/source/git/git.h"
#include "daemon/source/git/tree.h"
#include "daemon/source/session_memory.h"

namespace bk::source {
namespace {

// What all instances of the source share.
struct Shared {
  explicit Shared(const GitSourceOptions& options) : options(options), told(options.sessions) {}
  const GitSourceOptions options;
  KeyedLock remotes, snapshots;
  SessionMemory<ResolvedRef> told;  // by RequestName
};

// Of what a remote is asked for.
std::string RequestName(const GitIdentifier& id) { return id.remote + "#" + id.ref; }

class GitInstance final : public SourceInstance {
 public:
  GitInstance(std::shared_ptr<Shared> shared, GitIdentifier id) : shared_(std::move(shared)), id_(std::move(id)) {}

  absl::StatusOr<SourceKey> CacheKey(const CancelToken& cancel, const cache::FetchContext& context, int) override {
    BK_TRY(ResolvedRef resolved, Resolve(cancel, context));
    return SourceKey{GitCacheKey(id_, resolved), resolved.object, true};
  }

  absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) override {
    BK_TRY(ResolvedRef resolved, Resolve(cancel, context));
    const std::string index = StrCat("git-snapshot::", GitCacheKey(id_, resolved), ":", id_.subdir);
    // Builds that want the same tree wait for the first one's.
    BK_TRY(KeyedLock::Held held, shared_->snapshots.Acquire(cancel, index));
    for (const std::string& known : shared_->options.cache->FindCommitted(index)) {
      if (auto ref = shared_->options.cache->Get(cancel, known); ref.ok()) return ref;
    }
    BK_TRY(Remote remote, Remote::Parse(id_.remote));
    cache::NewOptions options;
    options.description = StrCat("git snapshot for ", remote.shown, "#", id_.ref);
    options.type = cache::RecordType::kSourceGit;
    BK_TRY(cache::MutablePtr tree, shared_->options.cache->New(cancel, context, nullptr, options));
    {
      BK_TRY(std::unique_ptr<cache::ActiveMount> mount, tree->Mount(cancel, context, false));
      BK_TRY(os::TempMount dir, os::TempMount::Make(mount->mounts()));
      BK_TRY(RemoteAccess access, RemoteAccess::Open(cancel, *shared_->options.sessions, context, id_, remote, shared_->options.limit_bytes));
      TreeMaker maker = Maker(cancel, context, access);
      BK_RETURN_IF_ERROR(maker.Make(id_, resolved, remote, dir.path()));
    }
    BK_RETURN_IF_ERROR(tree->SetIndex(index));
    return tree->Commit(cancel);
  }

  // For a frontend: the build will get what it is told.
  absl::StatusOr<ResolvedGit> Describe(const CancelToken& cancel, const cache::FetchContext& context, bool objects) {
    BK_TRY(ResolvedRef resolved, Resolve(cancel, context, true));
    ResolvedGit out{resolved.object, resolved.ref, id_.keep_git_dir ? "" : resolved.commit, {}, {}};
    if (!objects) return out;
    BK_TRY(Remote remote, Remote::Parse(id_.remote));
    BK_TRY(RemoteAccess access, RemoteAccess::Open(cancel, *shared_->options.sessions, context, id_, remote, shared_->options.limit_bytes));
    TreeMaker maker = Maker(cancel, context, access);
    BK_RETURN_IF_ERROR(maker.ReadObjects(id_, resolved, remote, out));
    return out;
  }

 private:
  absl::StatusOr<ResolvedRef> Resolve(const CancelToken& cancel, const cache::FetchContext& context, bool tell = false) {
    std::optional<ResolvedRef> known = resolved_.With([](const auto& resolved) { return resolved; });
    if (known) return *known;
    BK_ASSIGN(known, ResolveWithoutRemote(id_));
    if (!known) BK_ASSIGN(known, id_.bundle.empty() ? AskRemote(cancel, context, tell) : AskBundle(cancel, context));
    resolved_.With([&](auto& resolved) { resolved = known; });
    return *known;
  }

  absl::StatusOr<ResolvedRef> AskRemote(const CancelToken& cancel, const cache::FetchContext& context, bool tell) {
    if (auto told = Told(context)) return *told;
    BK_TRY(Remote remote, Remote::Parse(id_.remote));
    const std::string name = StrCat("git://", remote.key, "#", id_.ref, id_.keep_git_dir ? " .git" : "");
    if (context.offline) return Recall(name, remote);
    BK_TRY(RemoteAccess access, RemoteAccess::Open(cancel, *shared_->options.sessions, context, id_, remote, shared_->options.limit_bytes));
    BK_TRY(ResolvedRef answer, Ask(cancel, access.git(), remote.url, remote.shown));
    if (tell) shared_->told.Remember(cancel, context.session_ids, RequestName(id_), answer);
    if (shared_->options.known != nullptr) shared_->options.known->Remember(name, StrCat(answer.ref, " ", answer.object, " ", answer.commit));
    return answer;
  }

  // What the remote said last; with a checksum, what it said when it was that one.
  absl::StatusOr<ResolvedRef> Recall(const std::string& name, const Remote& remote) const {
    auto values = shared_->options.known == nullptr ? std::vector<std::string>() : shared_->options.known->Find(name);
    if (id_.checksum.empty() && values.size() > 1) values.resize(1);
    for (const std::string& value : values) {
      std::vector<std::string_view> parts = SplitNonEmpty(value, ' ');
      if (parts.size() < 2) continue;
      ResolvedRef ref{std::string(parts[0]), std::string(parts[1]), parts.size() > 2 ? std::string(parts[2]) : ""};
      if (ref.object.starts_with(id_.checksum) || ref.commit.starts_with(id_.checksum)) return ref;
    }
    return cache::Offline(StrCat("no build asked ", remote.shown, " for ", id_.ref.empty() ? "its default branch" : id_.ref, id_.checksum.empty() ? "" : " when it was " + id_.checksum, " yet"));
  }

  // What the build's frontend was told, unless it cannot be what is wanted here.
  std::optional<ResolvedRef> Told(const cache::FetchContext& context) const {
    auto told = shared_->told.Find(context.session_ids, RequestName(id_));
    bool fits = told && (told->object.starts_with(id_.checksum) || told->commit.starts_with(id_.checksum));
    return fits ? told : std::nullopt;
  }

  absl::StatusOr<ResolvedRef> Ask(const CancelToken& cancel, const GitCli& git, const std::string& url, const std::string& shown) const {
    auto answer = git.RunRemote(cancel, LsRemoteArguments(id_, url));
    if (!answer.ok()) return Annotate(answer.status(), StrCat(id_.ref.empty() ? "error fetching default branch for repository " : "failed to fetch remote ", shown));
    return ResolveAnswer(id_, shown, *answer);
  }

  absl::StatusOr<ResolvedRef> AskBundle(const CancelToken& cancel, const cache::FetchContext& context) {
    BK_TRY(Remote remote, Remote::Parse(id_.remote));
    GitSettings local;
    local.protocols = kLocalProtocol;
    local.progress = context.progress;
    const GitCli git(local);
    BK_TRY(std::string url, BundleUrl(cancel, context, git));
    return Ask(cancel, git, url, remote.shown);
  }

  // Of the bundle's repository, which is made once and kept as long as this is.
  absl::StatusOr<std::string> BundleUrl(const CancelToken& cancel, const cache::FetchContext& context, const GitCli& git) {
    auto url = [&] { return bundle_.With([](const auto& bundle) { return bundle ? bundle->url() : std::string(); }); };
    if (std::string known = url(); !known.empty()) return known;
    ImageSourceOptions blobs{shared_->options.registry, shared_->options.sessions, shared_->options.cache, shared_->options.content};
    BK_TRY(Bundle made, Bundle::Open(cancel, context, blobs, git, id_));
    bundle_.With([&](auto& bundle) {
      if (!bundle) bundle.emplace(std::move(made));
    });
    return url();
  }

  TreeMaker Maker(const CancelToken& cancel, const cache::FetchContext& context, const RemoteAccess& access) {
    TreeMaker maker(cancel, context, *shared_->options.cache, shared_->remotes, access);
    if (!id_.bundle.empty()) maker.TakeFrom([this, &cancel, &context, &access] { return BundleUrl(cancel, context, access.git()); });
    return maker;
  }

  const std::shared_ptr<Shared> shared_;
  const GitIdentifier id_;
  Guarded<std::optional<ResolvedRef>> resolved_;
  Guarded<std::optional<Bundle>> bundle_;
};

class GitSource final : public Source {
 public:
  explicit GitSource(const GitSourceOptions& options) : shared_(std::make_shared<Shared>(options)) {}
  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    return Instance(request);
  }
  absl::StatusOr<ResolvedGit> ResolveGit(const CancelToken& cancel, const cache::FetchContext& context, const SourceRequest& request, bool objects) override {
    BK_TRY(std::unique_ptr<GitInstance> instance, Instance(request));
    return instance->Describe(cancel, context, objects);
  }

 private:
  absl::StatusOr<std::unique_ptr<GitInstance>> Instance(const SourceRequest& request) const {
    BK_TRY(Identifier identifier, ParseIdentifier(request.identifier, request.attrs));
    const auto* id = std::get_if<GitIdentifier>(&identifier);
    if (id == nullptr) return InvalidArgument("invalid git identifier ", request.identifier);
    if (id->signature) return Unimplemented("signatures of git commits are not built yet (leave out git.sig.*)");
    return std::make_unique<GitInstance>(shared_, *id);
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<Source> MakeGitSource(const GitSourceOptions& options) { return std::make_unique<GitSource>(options); }

}  // namespace bk::source
