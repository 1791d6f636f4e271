#include "daemon/source/git/checkout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>

#include "base/go_parse.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "base/split.h"
#include "base/unicode.h"

namespace bk::source {
namespace {

constexpr size_t kMaxGitlinks = 1000;
constexpr size_t kMaxSubdirParts = 256;

void AppendPart(std::string& path, std::string_view part) { path.append(path.empty() ? "" : "/").append(part); }

absl::Status NoDirectory(const std::string& subdir, const std::string& part) {
  return Unknown("invalid subdir ", subdir, ": git subpath ", Quote(subdir), " contains non-directory ", Quote(part));
}
absl::Status NotThere(const std::string& subdir, const std::string& part) {
  return Unknown("invalid subdir ", subdir, ": failed to lstat ", Quote(part), ": no such file or directory");
}

struct TreeEntry {
  std::string mode, object;
};

// Entries of `git ls-tree -z`: "MODE TYPE OBJECT\tPATH", each ended by a zero byte.
template <typename F>
void ForEachEntry(std::string_view listing, F&& f) {
  while (!listing.empty()) {
    std::string_view line = listing.substr(0, listing.find('\0'));
    listing.remove_prefix(std::min(listing.size(), line.size() + 1));
    size_t tab = line.find('\t'), first = line.find(' '), second = line.find(' ', first + 1);
    if (tab == std::string_view::npos || second == std::string_view::npos || second > tab) continue;
    f(std::string(line.substr(tab + 1)), TreeEntry{std::string(line.substr(0, first)), std::string(line.substr(second + 1, tab - second - 1))});
  }
}

std::string LiteralPath(const std::string& path) { return ":(top,literal)" + path; }

}  // namespace

absl::StatusOr<std::string> PlanSubdir(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& subdir) {
  std::vector<std::string_view> parts = SplitNonEmpty(subdir, '/');
  if (parts.size() > kMaxSubdirParts) return InvalidArgument("invalid subdir ", subdir, ": too deep");
  std::vector<std::string> args = {"ls-tree", "-z", "-t", "--full-tree", object, "--"};
  std::string prefix;
  for (std::string_view part : parts) {
    AppendPart(prefix, part);
    args.push_back(prefix);
  }
  BK_TRY(std::string listing, git.Run(cancel, args, GitCli::Show::kErrors));
  std::map<std::string, TreeEntry> entries;
  ForEachEntry(listing, [&](std::string path, TreeEntry entry) { entries[std::move(path)] = std::move(entry); });
  prefix.clear();
  for (std::string_view part : parts) {
    AppendPart(prefix, part);
    auto found = entries.find(prefix);
    if (found == entries.end()) return NotThere(subdir, prefix);
    if (found->second.mode == "160000") return prefix;
    if (found->second.mode != "040000") return NoDirectory(subdir, prefix);
  }
  return prefix;
}

absl::Status WriteTree(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& path, const std::string& into) {
  BK_TRY(os::TempDir scratch, os::TempDir::Make("git-index-"));
  GitCli writer = git.With([&](GitSettings& settings) {
    settings.index_file = scratch.path() + "/index";
    settings.work_tree = into;
  });
  if (path.empty()) return writer.Run(cancel, {"read-tree", "--reset", "-u", object + "^{tree}"}, GitCli::Show::kErrors).status();
  // The index has all of it: attributes of directories above count too.
  BK_RETURN_IF_ERROR(writer.Run(cancel, {"read-tree", object + "^{tree}"}, GitCli::Show::kErrors));
  return writer.Run(cancel, {"checkout", "--quiet", "--", LiteralPath(path)}, GitCli::Show::kErrors).status();
}

absl::Status WriteRepository(const CancelToken& cancel, const GitCli& git, const ResolvedRef& want, const std::string& url, const std::string& into) {
  const std::string git_dir = into + "/.git", shared = git.settings().git_dir;
  GitCli own = git.With([&](GitSettings& settings) {
    settings.git_dir = git_dir;
    settings.work_tree = into;
    settings.protocols = kLocalProtocol;
  });
  std::vector<std::string> init = {"init", "--quiet"};
  if (want.object.size() == 64) init.push_back("--object-format=sha256");
  BK_RETURN_IF_ERROR(own.Run(cancel, init, GitCli::Show::kErrors));
  // upload-pack hands out what a ref names, so there is one for the time.
  const std::string handed = "refs/buildkit/handed";
  BK_RETURN_IF_ERROR(git.Run(cancel, {"update-ref", handed, want.object}, GitCli::Show::kErrors));
  // By URL, so that git neither links nor copies files of a repository that others change.
  std::vector<std::string> fetch = {"fetch", "--quiet", "--no-tags", "--update-head-ok", "--depth=1", "--", "file://" + shared};
  if (IsObjectId(want.ref)) {
    fetch.push_back(handed);
    BK_TRY(std::string tags, git.Run(cancel, {"for-each-ref", "--format=%(refname)", "--points-at", want.object, "refs/tags"}, GitCli::Show::kErrors));
    for (std::string_view tag : SplitNonEmpty(tags, '\n')) fetch.push_back(StrCat(tag, ":", tag));
  } else {
    fetch.push_back(StrCat(handed, ":", want.ref));
  }
  BK_RETURN_IF_ERROR(own.Run(cancel, fetch, GitCli::Show::kErrors));
  BK_RETURN_IF_ERROR(git.Run(cancel, {"update-ref", "-d", handed}, GitCli::Show::kErrors));
  auto checkout = own.Run(cancel, {"checkout", "--quiet", "--detach", want.object + "^{commit}"}, GitCli::Show::kErrors);
  BK_RETURN_IF_ERROR(checkout.status());
  BK_RETURN_IF_ERROR(own.Run(cancel, {"remote", "add", "--", "origin", url}, GitCli::Show::kErrors));
  BK_RETURN_IF_ERROR(own.Run(cancel, {"reflog", "expire", "--all", "--expire=now"}, GitCli::Show::kErrors));
  return os::RemoveAll(git_dir + "/FETCH_HEAD");
}

absl::Status WriteBundle(const CancelToken& cancel, const GitCli& git, const std::string& asked_ref, const std::string& object, const std::string& into) {
  // A bundle has refs, not commits. A bare name could be a tag's too; as a branch it does no harm.
  std::string ref = asked_ref;
  if (ref.empty() || IsObjectId(ref)) ref = "refs/heads/main";
  if (!ref.starts_with("refs/tags/")) {
    for (std::string_view prefix : {"refs/", "heads/"}) {
      if (ref.starts_with(prefix)) ref.erase(0, prefix.size());
    }
    ref = "refs/heads/" + ref;
  }
  // In a repository of its own, for its one ref to have this name.
  BK_TRY(os::TempDir scratch, os::TempDir::Make("git-bundle-"));
  GitCli own = git.With([&](GitSettings& settings) { settings.git_dir = scratch.path() + "/repository"; });
  std::vector<std::string> init = {"init", "--quiet", "--bare"};
  if (object.size() == 64) init.push_back("--object-format=sha256");
  BK_RETURN_IF_ERROR(own.Run(cancel, init, GitCli::Show::kErrors));
  BK_RETURN_IF_ERROR(os::WriteFile(scratch.path() + "/repository/objects/info/alternates", git.settings().git_dir + "/objects\n", 0644));
  BK_RETURN_IF_ERROR(own.Run(cancel, {"update-ref", ref, object}, GitCli::Show::kErrors));
  return own.Run(cancel, {"bundle", "create", "--quiet", into + "/bundle", ref}, GitCli::Show::kErrors).status();
}

absl::StatusOr<std::vector<Gitlink>> ListGitlinks(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& path) {
  std::vector<std::string> args = {"ls-tree", "-z", "-r", "--full-tree", object};
  if (!path.empty()) args.insert(args.end(), {"--", path});
  BK_TRY(std::string listing, git.Run(cancel, args, GitCli::Show::kErrors));
  std::vector<Gitlink> out;
  ForEachEntry(listing, [&](std::string name, TreeEntry entry) {
    if (entry.mode == "160000") out.push_back({std::move(name), std::move(entry.object)});
  });
  if (out.size() > kMaxGitlinks) return ResourceExhausted("repository has more than ", kMaxGitlinks, " submodules");
  return out;
}

absl::Status MoveSubdir(const std::string& from, const std::string& subdir, const std::string& to) {
  BK_TRY(os::RootDir root, os::RootDir::Open(from));
  std::string prefix;
  for (std::string_view part : SplitNonEmpty(subdir, '/')) {
    AppendPart(prefix, part);
    auto st = root.Lstat(prefix);
    if (absl::IsNotFound(st.status())) return NotThere(subdir, prefix);
    BK_RETURN_IF_ERROR(st.status());
    if (!S_ISDIR(st->st_mode)) return NoDirectory(subdir, prefix);
  }
  const std::string source = from + "/" + prefix;
  BK_TRY(std::vector<std::string> names, os::ListDir(source));
  for (const std::string& name : names) {
    if (rename((source + "/" + name).c_str(), (to + "/" + name).c_str()) < 0) return ErrnoError(errno, StrCat("move ", Quote(name)));
  }
  return os::RemoveAll(from);
}

absl::StatusOr<int64_t> CommitTime(const CancelToken& cancel, const GitCli& git, const std::string& object) {
  BK_TRY(std::string text, git.Run(cancel, {"log", "-1", "--format=%ct", object + "^{commit}", "--"}, GitCli::Show::kErrors));
  return ParseInt(TrimSpace(text));
}

absl::Status SetTimes(const std::string& root, int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  // Directories after what is in them, though setting times does not change a parent: the order costs nothing.
  std::vector<std::string> open = {root}, directories;
  while (!open.empty()) {
    std::string dir = std::move(open.back());
    open.pop_back();
    BK_TRY(std::vector<std::string> names, os::ListDir(dir));
    for (const std::string& name : names) {
      std::string path = dir + "/" + name;
      struct stat st;
      if (lstat(path.c_str(), &st) < 0) return ErrnoError(errno, StrCat("lstat ", Quote(name)));
      if (S_ISDIR(st.st_mode)) {
        open.push_back(path);
      } else if (utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) {
        return ErrnoError(errno, StrCat("set the time of ", Quote(name)));
      }
    }
    directories.push_back(std::move(dir));
  }
  for (auto dir = directories.rbegin(); dir != directories.rend(); ++dir) {
    if (utimensat(AT_FDCWD, dir->c_str(), times, 0) < 0) return ErrnoError(errno, "set the time of a directory");
  }
  return absl::OkStatus();
}

}  // namespace bk::source
