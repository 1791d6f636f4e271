#include "daemon/source/git/tree.h"

#include <sys/stat.h>

#include "base/id.h"
#include "base/os/root_path.h"
#include "daemon/source/git/submodules.h"
#include "base/git_url.h"

namespace bk::source {
namespace {

constexpr int kMaxSubmodules = 1000;  // of one tree, at all depths
constexpr int kMaxDepth = 32;
constexpr size_t kMaxObjectText = 4 << 20;  // of a commit or tag: a message is what it ends up in

absl::Status Clear(const std::string& dir) {
  BK_TRY(std::vector<std::string> names, os::ListDir(dir));
  for (const std::string& name : names) BK_RETURN_IF_ERROR(os::RemoveAll(dir + "/" + name));
  return absl::OkStatus();
}

}  // namespace

// One repository's part of a tree, and what is still missing in it.
struct TreeMaker::Part {
  std::string dir, url;
  std::vector<Gitlink> links;
  std::map<std::string, Submodule> modules;
};

absl::Status TreeMaker::WithObject(const Remote& remote, const FetchRequest& request, const std::string& into, const std::function<absl::Status(const GitCli&)>& f) {
  if (!IsObjectId(request.want.object)) return InvalidArgument("git.bundle without a ref requires a full commit SHA as git.checksum, got ", Quote(request.want.object));
  BK_TRY(KeyedLock::Held held, remotes_.Acquire(cancel_, remote.key));
  GitCli git = access_.git();
  if (!remote.authorization.empty()) {
    BK_TRY(GitCredentials own, OwnCredentials(remote));
    git = git.With([&](GitSettings& settings) {
      if (settings.config.empty()) settings.config = own.config;
      settings.secrets.insert(settings.secrets.end(), own.secrets.begin(), own.secrets.end());
    });
  }
  absl::Status status;
  {
    BK_TRY(SharedRepository repository, SharedRepository::OpenWith(cancel_, context_, cache_, remote, git, request));
    status = f(repository.git());
    if (status.ok() || !IsDamaged(Message(status))) return status;
  }
  if (!into.empty()) BK_RETURN_IF_ERROR(Clear(into));
  BK_TRY(SharedRepository repository, SharedRepository::BeginAnew(cancel_, context_, cache_, remote, git, request));
  return f(repository.git());
}

absl::Status TreeMaker::CheckChecksum(const GitIdentifier& id, const std::string& object, const GitCli& git) const {
  if (id.checksum.empty() || object.starts_with(id.checksum)) return absl::OkStatus();
  auto peeled = git.Run(cancel_, {"rev-parse", "--verify", "--end-of-options", object + "^{}"}, GitCli::Show::kNothing);
  std::string commit = peeled.ok() ? peeled->substr(0, peeled->find('\n')) : object;
  if (commit == object) return Unknown("expected checksum to match ", id.checksum, ", got ", object);
  if (commit.starts_with(id.checksum)) return absl::OkStatus();
  return Unknown("expected checksum to match ", id.checksum, ", got ", object, " or ", commit);
}

FetchRequest TreeMaker::RequestOf(const GitIdentifier& id, const ResolvedRef& want) const {
  FetchRequest request;
  request.want = want;
  request.asked_ref = id.ref;
  request.by_commit = id.fetch_by_commit;
  request.from = from_;
  return request;
}

absl::Status TreeMaker::ReadObjects(const GitIdentifier& id, const ResolvedRef& want, const Remote& remote, ResolvedGit& out) {
  FetchRequest request = RequestOf(id, want);
  return WithObject(remote, request, "", [&](const GitCli& git) -> absl::Status {
    auto read = [&](std::vector<std::string> args) -> absl::StatusOr<std::string> {
      BK_TRY(std::string text, git.Run(cancel_, args, GitCli::Show::kNothing));
      if (text.size() > kMaxObjectText) return ResourceExhausted("object ", want.object, " of ", remote.shown, " has more than ", kMaxObjectText, " bytes");
      return text;
    };
    BK_RETURN_IF_ERROR(CheckChecksum(id, want.object, git));
    BK_TRY(std::string type, read({"cat-file", "-t", want.object}));
    type.resize(std::min(type.size(), type.find('\n')));
    if (type != "commit" && type != "tag") return Unknown("expected commit or tag object, got ", type);
    out.commit_checksum.clear();
    if (type == "tag") {
      BK_TRY(std::string commit, read({"rev-parse", "--verify", "--end-of-options", want.object + "^{commit}"}));
      out.commit_checksum = commit.substr(0, commit.find('\n'));
      BK_ASSIGN(out.tag_object, read({"cat-file", "tag", want.object}));
    }
    BK_ASSIGN(out.commit_object, read({"cat-file", "commit", type == "tag" ? out.commit_checksum : want.object}));
    return absl::OkStatus();
  });
}

absl::Status TreeMaker::Make(const GitIdentifier& id, const ResolvedRef& want, const Remote& remote, const std::string& into) {
  FetchRequest request = RequestOf(id, want);
  request.whole = id.checkout_bundle;
  request.with_tags = id.keep_git_dir && !context_.offline;
  bool kept = id.keep_git_dir && id.subdir.empty();
  BK_RETURN_IF_ERROR(id.checkout_bundle ? MakeBundle(id, request, remote, into) : kept ? MakeKept(id, request, remote, into) : MakePlain(id, request, remote, into));
  return id.mtime == "commit" ? SetTimes(into, commit_time_) : absl::OkStatus();
}

absl::Status TreeMaker::MakeBundle(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into) {
  return WithObject(remote, request, into, [&](const GitCli& git) -> absl::Status {
    BK_RETURN_IF_ERROR(CheckChecksum(id, request.want.object, git));
    BK_ASSIGN(commit_time_, CommitTime(cancel_, git, request.want.object));
    return WriteBundle(cancel_, git, id.ref, request.want.object, into);
  });
}

absl::Status TreeMaker::MakeKept(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into) {
  BK_RETURN_IF_ERROR(WithObject(remote, request, into, [&](const GitCli& git) -> absl::Status {
    BK_RETURN_IF_ERROR(CheckChecksum(id, request.want.object, git));
    BK_ASSIGN(commit_time_, CommitTime(cancel_, git, request.want.object));
    return WriteRepository(cancel_, git, request.want, remote.url, into);
  }));
  GitCli own = access_.git().With([&](GitSettings& settings) {
    settings.git_dir = into + "/.git";
    settings.work_tree = into;
  });
  if (!id.skip_submodules) {
    auto updated = own.RunRemote(cancel_, {"submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"});
    if (!updated.ok()) return Annotate(updated.status(), "failed to update submodules for " + remote.shown);
  }
  return own.Run(cancel_, {"remote", "set-url", "--", "origin", remote.shown}, GitCli::Show::kErrors).status();
}

absl::StatusOr<TreeMaker::Part> TreeMaker::WritePart(const Remote& remote, const FetchRequest& request, const GitIdentifier& id, const std::string& subdir, const std::string& dir) {
  Part part;
  part.dir = dir;
  part.url = remote.url;
  BK_RETURN_IF_ERROR(WithObject(remote, request, dir, [&](const GitCli& git) -> absl::Status {
    const std::string& object = request.want.object;
    BK_RETURN_IF_ERROR(CheckChecksum(id, object, git));
    std::string path;
    if (!subdir.empty()) BK_ASSIGN(path, PlanSubdir(cancel_, git, object, subdir));
    if (auto status = WriteTree(cancel_, git, object, path, dir); !status.ok()) return Annotate(status, "failed to checkout remote " + remote.shown);
    if (commit_time_ == 0 && id.mtime == "commit") BK_ASSIGN(commit_time_, CommitTime(cancel_, git, object));
    if (id.skip_submodules) return absl::OkStatus();
    BK_ASSIGN(part.links, ListGitlinks(cancel_, git, object, path));
    if (!part.links.empty()) BK_ASSIGN(part.modules, ReadGitmodules(cancel_, git, object));
    return absl::OkStatus();
  }));
  return part;
}

absl::Status TreeMaker::MakePlain(const GitIdentifier& id, const FetchRequest& request, const Remote& remote, const std::string& into) {
  std::string dir = into;
  if (!id.subdir.empty()) {
    // Inside, so that moving it copies nothing.
    dir += "/checkout-" + NewId();
    BK_RETURN_IF_ERROR(os::MakeDirs(dir, 0755));
  }
  BK_TRY(Part part, WritePart(remote, request, id, id.subdir, dir));
  if (auto status = WriteSubmodules(part, 1); !status.ok()) return Annotate(status, "failed to update submodules for " + remote.shown);
  return id.subdir.empty() ? absl::OkStatus() : MoveSubdir(dir, id.subdir, into);
}

absl::Status TreeMaker::WriteSubmodules(const Part& parent, int depth) {
  if (parent.links.empty()) return absl::OkStatus();
  if (depth > kMaxDepth) return ResourceExhausted("submodules lie more than ", kMaxDepth, " deep in each other");
  BK_TRY(os::RootDir root, os::RootDir::Open(parent.dir));
  for (const Gitlink& link : parent.links) {
    auto module = parent.modules.find(link.path);
    if (module == parent.modules.end()) return Unknown("no url found for submodule path ", Quote(link.path), " in .gitmodules");
    if (module->second.skipped) continue;
    if (++written_submodules_ > kMaxSubmodules) return ResourceExhausted("repository has more than ", kMaxSubmodules, " submodules");
    std::string url = ResolveSubmoduleUrl(parent.url, module->second.url);
    if (!IsGitTransport(url)) return PermissionDenied("submodule ", Quote(link.path), " has the URL ", Quote(RedactCredentials(url)), ": only http, https, ssh and git are allowed");
    BK_TRY(Remote remote, Remote::Parse(url));
    // git made it, empty; a link in its place would lead out of the tree.
    BK_TRY(struct stat st, root.Lstat(link.path));
    if (!S_ISDIR(st.st_mode)) return Unknown("submodule path ", Quote(link.path), " is not a directory");
    FetchRequest request;
    request.want = {link.commit, link.commit, ""};
    request.by_commit = true;
    BK_TRY(Part part, WritePart(remote, request, GitIdentifier(), "", parent.dir + "/" + link.path));
    BK_RETURN_IF_ERROR(WriteSubmodules(part, depth + 1));
  }
  return absl::OkStatus();
}

}  // namespace bk::source
