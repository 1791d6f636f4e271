#include "daemon/source/local.h"

#include "base/go_json.h"
#include "base/ignore_pattern.h"
#include "base/os/mount.h"
#include "daemon/cache/contenthash.h"
#include "daemon/source/identifier.h"
#include "proto/fsutil/receiver.h"

namespace bk::source {
namespace {

constexpr char kDiffCopy[] = "/moby.filesync.v1.FileSync/DiffCopy";

void WriteList(GoJsonWriter& w, const char* key, const StringList& list) {
  w.Key(key);
  if (!list) return w.Null();
  w.BeginArray();
  for (const std::string& item : *list) w.String(item);
  w.EndArray();
}

// Keeps the content checksums of the tree true while a transfer changes it.
class HashObserver final : public fsutil::ChangeObserver {
 public:
  static absl::StatusOr<HashObserver> Begin(const cache::MutableRef& tree) {
    HashObserver out;
    BK_ASSIGN(out.updater_, cache::ContentHashUpdater::Begin(tree));
    return out;
  }
  std::unique_ptr<Hasher> NewHasher(const fsutil::Stat& stat) override { return std::make_unique<EntryHash>(stat); }
  absl::Status Written(const fsutil::Stat& stat, const Digest& digest, bool replaced) override {
    return updater_->HandleChange(replaced ? cache::ChangeKind::kModify : cache::ChangeKind::kAdd, stat.path(), stat, digest);
  }
  absl::Status Deleted(const std::string& path) override { return updater_->HandleChange(cache::ChangeKind::kDelete, path, {}, {}); }
  absl::Status Finish() { return updater_->Finish(); }

 private:
  class EntryHash final : public Hasher {
   public:
    explicit EntryHash(const fsutil::Stat& stat) : hasher_(stat) {}
    void Update(std::string_view data) override { hasher_.Update(data); }
    Digest Finish() override { return hasher_.Finish(); }

   private:
    contenthash::EntryHasher hasher_;
  };
  std::unique_ptr<cache::ContentHashUpdater> updater_;
};

class LocalInstance final : public SourceInstance {
 public:
  LocalInstance(const LocalSourceOptions& options, LocalIdentifier id) : options_(options), id_(std::move(id)) {}

  absl::StatusOr<SourceKey> CacheKey(const CancelToken&, const cache::FetchContext& context, int) override {
    std::string session_id = id_.session_id;
    if (session_id.empty()) {
      if (context.session_ids.empty()) return FailedPrecondition("could not access local files without session");
      session_id = context.session_ids[0];
    }
    GoJsonWriter w;
    w.BeginObject();
    w.Key("SessionID");
    w.String(session_id);
    WriteList(w, "IncludePatterns", id_.include_patterns);
    WriteList(w, "ExcludePatterns", id_.exclude_patterns);
    WriteList(w, "FollowPaths", id_.follow_paths);
    if (id_.metadata_only) {
      w.Key("MetadataTransfer");
      w.Bool(true);
    }
    if (id_.metadata_exceptions && !id_.metadata_exceptions->empty()) WriteList(w, "MetadataExceptions", id_.metadata_exceptions);
    w.EndObject();
    std::string digest = DigestOf(w.text()).str();
    return SourceKey{"session:" + id_.name + ":" + digest, digest, true};
  }

  absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) override {
    cache::ImmutablePtr out;
    auto transfer = [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
      BK_ASSIGN(out, Transfer(cancel, context, *client));
      return absl::OkStatus();
    };
    if (!id_.session_id.empty()) {
      absl::Status status = session::WithSession(cancel, *options_.sessions, id_.session_id, transfer);
      if (status.ok()) return out;
      BK_RETURN_IF_ERROR(cancel.Check());
      // Another session of the build may offer the directory.
      if (!absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) return status;
    }
    BK_RETURN_IF_ERROR(session::Any(cancel, *options_.sessions, context.session_ids, transfer));
    return out;
  }

 private:
  absl::StatusOr<cache::ImmutablePtr> Transfer(const CancelToken& cancel, const cache::FetchContext& context, session::Session& client) {
    if (!client.Supports(kDiffCopy)) return FailedPrecondition("no local sources enabled");
    BK_TRY(cache::MutablePtr tree, OpenTree(cancel, context, Index(client)));
    absl::Status status = Receive(cancel, context, client, *tree);
    if (status.ok()) status = tree->SetIndex(Index(client));
    if (!status.ok()) {
      // What it holds now is neither the old state nor the new one.
      BK_RETURN_IF_ERROR(tree->Destroy());
      return status;
    }
    return tree->Commit(cancel);
  }

  // The tree of an earlier build that nobody else uses now, or an empty one.
  absl::StatusOr<cache::MutablePtr> OpenTree(const CancelToken& cancel, const cache::FetchContext& context, const std::string& index) {
    for (const std::string& id : options_.cache->FindMutable(index)) {
      auto tree = options_.cache->GetMutable(cancel, id);
      if (tree.ok()) return tree;
    }
    cache::NewOptions options;
    options.description = "local source for " + id_.name;
    options.type = cache::RecordType::kSourceLocal;
    options.retain = true;
    return options_.cache->New(cancel, context, nullptr, options);
  }

  absl::Status Receive(const CancelToken& cancel, const cache::FetchContext& context, session::Session& client, const cache::MutableRef& tree) {
    BK_TRY(std::unique_ptr<cache::ActiveMount> mount, tree.Mount(cancel, context, false));
    BK_TRY(os::TempMount dir, os::TempMount::Make(mount->mounts()));
    session::FileSyncRequest request;
    request.dir_name = id_.name;
    request.include_patterns = id_.include_patterns.value_or(std::vector<std::string>());
    request.exclude_patterns = id_.exclude_patterns.value_or(std::vector<std::string>());
    request.follow_paths = id_.follow_paths.value_or(std::vector<std::string>());
    BK_TRY(HashObserver observer, HashObserver::Begin(tree));
    BK_TRY(std::unique_ptr<fsutil::Stream> stream, client.OpenFileSync(cancel, request));
    auto task = context.progress.Start("transferring " + id_.name + ":", "transferring");
    fsutil::ReceiveOptions options;
    options.differ = id_.differ_none ? fsutil::Differ::kNone : fsutil::Differ::kMetadata;
    options.in_place = true;  // Transfer destroys a tree that was not brought to its end
    options.observer = &observer;
    if (id_.metadata_only) BK_ASSIGN(options.metadata_exception, MetadataException());
    options.progress = [&](int64_t bytes) { task.Update(bytes, 0); };
    absl::Status status = fsutil::ReceiveTree(cancel, *stream, dir.path(), options);
    if (!status.ok()) stream->Cancel();
    return status.ok() ? observer.Finish() : status;
  }

  // Which entries of a metadata-only transfer come with their data.
  absl::StatusOr<std::function<bool(const fsutil::Stat&)>> MetadataException() const {
    BK_TRY(PatternMatcher made, PatternMatcher::Create(id_.metadata_exceptions.value_or(std::vector<std::string>())));
    auto matcher = std::make_shared<PatternMatcher>(std::move(made));
    return [matcher](const fsutil::Stat& stat) { return !matcher->empty() && matcher->MatchesOrParentMatches(stat.path()).value_or(false); };
  }

  std::string Index(const session::Session& client) const { return StrCat("local.sharedKey:", id_.name, ":", id_.shared_key_hint, ":", client.shared_key(), id_.metadata_only ? ":metadata" : ""); }

  const LocalSourceOptions options_;
  const LocalIdentifier id_;
};

class LocalSource final : public Source {
 public:
  explicit LocalSource(const LocalSourceOptions& options) : options_(options) {}
  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    BK_TRY(Identifier identifier, ParseIdentifier(request.identifier, request.attrs));
    const auto* id = std::get_if<LocalIdentifier>(&identifier);
    if (id == nullptr) return InvalidArgument("invalid local identifier ", request.identifier);
    return std::make_unique<LocalInstance>(options_, *id);
  }

 private:
  const LocalSourceOptions options_;
};

}  // namespace

std::unique_ptr<Source> MakeLocalSource(const LocalSourceOptions& options) { return std::make_unique<LocalSource>(options); }

}  // namespace bk::source
