#include "daemon/source/git/shared_repository.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "base/digest.h"
#include "base/log.h"
#include "base/os/file.h"

namespace bk::source {
namespace {

constexpr char kFormatValue[] = "git.objectformat";

std::string OwnName(const std::string& ref) { return StrCat("refs/buildkit/", IsObjectId(ref) ? ref : DigestOf(ref).hex()); }

// Bytes that a fetch may take: enough is left for a daemon to clean up.
absl::StatusOr<uint64_t> RoomOn(const std::string& dir) {
  constexpr uint64_t kReserveBytes = 64 << 20;
  struct statvfs fs;
  if (statvfs(dir.c_str(), &fs) < 0) return ErrnoError(errno, "statvfs");
  uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  if (free <= kReserveBytes) return ResourceExhausted("no space for a repository: the disk has ", free, " bytes left (buildctl prune frees some)");
  return free - kReserveBytes;
}

bool Tells(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// A server that hands out only what a ref names.
bool RefusesObject(std::string_view message) {
  return Tells(message, "not our ref") || Tells(message, "unadvertised object") || Tells(message, "no such remote ref") || Tells(message, "couldn't find remote ref");
}

}  // namespace

bool IsDamaged(std::string_view message) {
  static constexpr std::string_view kSigns[] = {"would clobber existing tag", "unable to update local ref", "refname conflict", "cannot lock ref", ".lock': File exists",
                                                "bad object", "unable to read", "is corrupt", "is empty", "not a git repository", "missing blob", "missing tree",
                                                "pack has", "packfile", "mismatched algorithms", "bad tree object", "failed to unpack tree object"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](std::string_view sign) { return Tells(message, sign); });
}

absl::StatusOr<SharedRepository> SharedRepository::OpenWith(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                                            const GitCli& git, const FetchRequest& request) {
  BK_TRY(SharedRepository repository, Open(cancel, context, cache, remote, git, request.want.object.size() == 64, false));
  absl::Status status = repository.Fetch(cancel, request);
  if (status.ok()) return repository;
  if (!IsDamaged(Message(status))) return status;
  log::Warning("git repository of a remote is begun anew", {{"remote", remote.shown}, {"error", Message(status)}});
  repository = SharedRepository();
  return BeginAnew(cancel, context, cache, remote, git, request);
}

absl::StatusOr<SharedRepository> SharedRepository::BeginAnew(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                                             const GitCli& git, const FetchRequest& request) {
  BK_TRY(SharedRepository repository, Open(cancel, context, cache, remote, git, request.want.object.size() == 64, true));
  BK_RETURN_IF_ERROR(repository.Fetch(cancel, request));
  return repository;
}

absl::StatusOr<SharedRepository> SharedRepository::Open(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const Remote& remote,
                                                        const GitCli& git, bool sha256, bool anew) {
  SharedRepository out;
  const std::string format = sha256 ? "sha256" : "sha1";
  for (const std::string& id : cache.FindMutable(remote.key)) {
    auto found = cache.GetMutable(cancel, id);
    if (!found.ok()) continue;  // in the hands of someone who is leaving
    if (anew || (*found)->GetValue(kFormatValue) != format) {
      BK_RETURN_IF_ERROR((*found)->Destroy());
      continue;
    }
    out.ref_ = *std::move(found);
    break;
  }
  bool is_new = out.ref_ == nullptr;
  if (is_new) {
    cache::NewOptions options;
    options.description = "shared git repo for " + remote.shown;
    options.retain = true;
    BK_ASSIGN(out.ref_, cache.New(cancel, context, nullptr, options));
  }
  auto prepare = [&]() -> absl::Status {
    BK_ASSIGN(out.mount_, out.ref_->Mount(cancel, context, false));
    BK_ASSIGN(out.mounted_, os::TempMount::Make(out.mount_->mounts()));
    out.remote_ = remote;
    BK_TRY(uint64_t room, RoomOn(out.dir()));
    out.remote_git_ = git.With([&](GitSettings& settings) {
      settings.git_dir = out.dir();
      if (settings.max_file_bytes == 0 || settings.max_file_bytes > room) settings.max_file_bytes = room;
    });
    out.local_ = out.remote_git_.With([&](GitSettings& settings) {
      settings.protocols.clear();
      settings.ssh_auth_socket.clear();
      settings.known_hosts_file.clear();
      settings.config.clear();
    });
    return is_new ? out.Init(cancel, remote, sha256) : out.Clean();
  };
  absl::Status status = prepare();
  if (!status.ok() && is_new) {
    out.mounted_ = os::TempMount();
    out.mount_.reset();
    out.ref_->Destroy().IgnoreError();
  }
  BK_RETURN_IF_ERROR(status);
  return out;
}

absl::Status SharedRepository::Init(const CancelToken& cancel, const Remote& remote, bool sha256) {
  std::vector<std::string> args = {"init", "--quiet", "--bare"};
  if (sha256) args.push_back("--object-format=sha256");
  auto made = local_.Run(cancel, args, GitCli::Show::kErrors);
  if (!made.ok()) return Annotate(made.status(), "failed to init a repository for " + remote.shown);
  BK_RETURN_IF_ERROR(ref_->SetValue(kFormatValue, sha256 ? "sha256" : "sha1"));
  return ref_->SetIndex(remote.key);
}

absl::Status SharedRepository::Clean() const {
  for (const char* lock : {"shallow.lock", "packed-refs.lock", "config.lock", "HEAD.lock"}) BK_RETURN_IF_ERROR(os::RemoveAll(dir() + "/" + lock));
  const std::string packs = dir() + "/objects/pack";
  if (!os::Exists(packs)) return absl::OkStatus();
  BK_TRY(std::vector<std::string> names, os::ListDir(packs));
  for (const std::string& name : names) {
    if (name.starts_with("tmp_")) BK_RETURN_IF_ERROR(os::RemoveAll(packs + "/" + name));
  }
  return absl::OkStatus();
}

bool SharedRepository::Has(const CancelToken& cancel, const std::string& object) const {
  return local_.Run(cancel, {"cat-file", "-e", object + "^{commit}"}, GitCli::Show::kNothing).ok();
}

absl::Status SharedRepository::RunFetch(const CancelToken& cancel, const FetchRequest& request, std::vector<std::string> options, const std::vector<std::string>& refspecs) const {
  const GitCli from = request.from ? local_.With([](GitSettings& settings) { settings.protocols = kLocalProtocol; }) : remote_git_;
  std::string url = remote_.url;
  if (request.from) BK_ASSIGN(url, request.from());
  options.insert(options.begin(), {"fetch", "--no-tags", "--no-write-fetch-head", "--force"});
  options.insert(options.end(), {"--", url});
  options.insert(options.end(), refspecs.begin(), refspecs.end());
  auto run = from.RunRemote(cancel, std::move(options));
  if (!run.ok()) Clean().IgnoreError();
  return run.ok() ? absl::OkStatus() : Annotate(run.status(), "failed to fetch remote " + remote_.shown);
}

absl::StatusOr<std::vector<std::string>> SharedRepository::TagRefspecs(const CancelToken& cancel, const FetchRequest& request) const {
  std::vector<std::string> out;
  if (!request.with_tags || !IsObjectId(request.want.ref) || request.from) return out;
  BK_TRY(std::string answer, remote_git_.With([](GitSettings& settings) { settings.git_dir.clear(); }).RunRemote(cancel, {"ls-remote", "--tags", "--", remote_.url}));
  for (const std::string& tag : TagsAt(answer, request.want.object)) out.push_back(StrCat("+", tag, ":", tag));
  return out;
}

bool SharedRepository::IsShallow() const { return os::Exists(dir() + "/shallow"); }

std::vector<std::string> SharedRepository::Depth(const FetchRequest& request) const {
  if (!request.whole) return {"--depth=1"};
  return IsShallow() ? std::vector<std::string>{"--unshallow"} : std::vector<std::string>();
}

absl::Status SharedRepository::FetchRef(const CancelToken& cancel, const FetchRequest& request) {
  return RunFetch(cancel, request, Depth(request), {StrCat("+", request.want.ref, ":", OwnName(request.want.ref))});
}

absl::Status SharedRepository::FetchObject(const CancelToken& cancel, const FetchRequest& request) {
  const std::string& object = request.want.object;
  BK_TRY(std::vector<std::string> refspecs, TagRefspecs(cancel, request));
  refspecs.insert(refspecs.begin(), StrCat("+", object, ":", OwnName(object)));
  absl::Status status = RunFetch(cancel, request, Depth(request), refspecs);
  return !status.ok() && RefusesObject(Message(status)) ? FetchAll(cancel, request) : status;
}

// Branches and tags with all their history, the wanted object somewhere in it.
absl::Status SharedRepository::FetchAll(const CancelToken& cancel, const FetchRequest& request) {
  std::vector<std::string> options = {"--prune"};
  if (IsShallow()) options.push_back("--unshallow");
  return RunFetch(cancel, request, options, {"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"});
}

absl::Status SharedRepository::Fetch(const CancelToken& cancel, const FetchRequest& request) {
  const ResolvedRef& want = request.want;
  bool by_object = request.by_commit || IsObjectId(want.ref);
  if (Has(cancel, want.object) && !(request.whole && IsShallow())) {
    // Tags are looked up again: they may have been set since.
    if (!request.with_tags || !by_object) return absl::OkStatus();
    BK_TRY(std::vector<std::string> tags, TagRefspecs(cancel, request));
    return tags.empty() ? absl::OkStatus() : RunFetch(cancel, request, {"--depth=1"}, tags);
  }
  if (by_object) {
    BK_RETURN_IF_ERROR(FetchObject(cancel, request));
    return Has(cancel, want.object) ? absl::OkStatus() : Unknown("commit ", want.object, " can not be found in ", remote_.shown);
  }
  absl::Status status = FetchRef(cancel, request);
  if (!status.ok() && !RefusesObject(Message(status))) return status;
  if (Has(cancel, want.object)) return absl::OkStatus();
  // The ref is at another place already, or gone: the object itself may still be had.
  status = FetchObject(cancel, request);
  if (status.ok() && Has(cancel, want.object)) return absl::OkStatus();
  BK_RETURN_IF_ERROR(cancel.Check());
  if (!status.ok() && !RefusesObject(Message(status))) return status;
  return Unknown("fetched ref ", request.asked_ref, " does not match expected commit ", want.object, " and commit can not be found in the repository");
}

}  // namespace bk::source
