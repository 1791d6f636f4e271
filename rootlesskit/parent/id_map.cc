#include "rootlesskit/parent/id_map.h"

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/os/file.h"
#include "base/os/process.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr uint64_t kMaxSubIdFile = 16 << 20;

struct User {
  uid_t uid;
  gid_t gid;
  std::string name;  // "" when passwd does not know it
};

User CallingUser() {
  User user{getuid(), getgid(), ""};
  if (const passwd* entry = getpwuid(user.uid)) user.name = entry->pw_name;
  return user;
}

struct Ranges {
  std::vector<os::SubIdRange> uids, gids;
  bool complete() const { return !uids.empty() && !gids.empty(); }
};

absl::StatusOr<std::vector<os::SubIdRange>> ReadRanges(const std::string& path, const User& user) {
  BK_TRY(std::string text, os::ReadFile(path, kMaxSubIdFile));
  return os::ParseSubIds(text, path, user.uid, user.name);
}

absl::StatusOr<Ranges> StaticRanges(const User& user) {
  Ranges ranges;
  BK_ASSIGN(ranges.uids, ReadRanges("/etc/subuid", user));
  BK_ASSIGN(ranges.gids, ReadRanges("/etc/subgid", user));
  return ranges;
}

absl::StatusOr<std::vector<os::SubIdRange>> AskRanges(const std::string& program, bool groups, const std::string& owner) {
  os::ProcessOptions options;
  options.argv = groups ? std::vector<std::string>{program, "-g", owner} : std::vector<std::string>{program, owner};
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), options));
  if (!output.status.success()) return NotFound(BracketWords(options.argv), " failed: ", output.err);
  return os::ParseGetSubIds(output.out);
}

// By name and by number, each range once.
absl::StatusOr<std::vector<os::SubIdRange>> AskRangesOf(const std::string& program, bool groups, const User& user) {
  std::vector<os::SubIdRange> all;
  absl::Status failure;
  int answers = 0;
  for (const std::string& owner : {user.name, StrCat(user.uid)}) {
    if (owner.empty()) continue;
    auto ranges = AskRanges(program, groups, owner);
    if (!ranges.ok()) {
      failure = ranges.status();
      continue;
    }
    answers++;
    for (const os::SubIdRange& range : *ranges) {
      if (std::find(all.begin(), all.end(), range) == all.end()) all.push_back(range);
    }
  }
  if (answers == 0) return failure;
  return all;
}

absl::StatusOr<Ranges> DynamicRanges(const User& user) {
  const char* named = getenv("GETSUBIDS");
  auto program = os::FindProgram(named != nullptr && *named != 0 ? named : "getsubids");
  if (!program.ok()) return Annotate(program.status(), "subid-source:dynamic");
  Ranges ranges;
  BK_ASSIGN(ranges.uids, AskRangesOf(*program, false, user));
  BK_ASSIGN(ranges.gids, AskRangesOf(*program, true, user));
  return ranges;
}

absl::StatusOr<Ranges> FindRanges(const std::string& source, const User& user) {
  if (source == "static") return StaticRanges(user);
  auto dynamic = DynamicRanges(user);
  if (source == "dynamic" || (dynamic.ok() && dynamic->complete())) return dynamic;
  if (!dynamic.ok()) Debug(StrCat("no ranges from getsubids, reading the files: ", Message(dynamic.status())));
  return StaticRanges(user);
}

absl::Status NoRanges(std::string_view kind, const User& user) {
  std::string who = user.name.empty() ? StrCat(user.uid) : user.name;
  return NotFound("no ", kind, " ranges found for user ", user.uid, " (", Quote(user.name), "): as root, `usermod --add-", kind, "s 100000-165535 ", who,
                  "` or add a free range to /etc/", kind, " (", who, ":100000:65536)");
}

MapToolFacts LookAt(const std::string& program) {
  MapToolFacts facts{program};
  struct stat st;
  if (stat(program.c_str(), &st) == 0) {
    bool capable = getxattr(program.c_str(), "security.capability", nullptr, 0) > 0;
    facts.set_user_id = capable || ((st.st_mode & S_ISUID) != 0 && st.st_uid == 0);
  }
  struct statvfs fs;
  facts.nosuid_mount = statvfs(program.c_str(), &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0;
  facts.no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  return facts;
}

absl::Status RunMapTool(const std::string& name, pid_t pid, const std::vector<os::IdMapLine>& map) {
  auto program = os::FindProgram(name);
  if (!program.ok()) {
    return WithExitCode(NotFound(Message(program.status()), " (as root: apt-get install uidmap)"), ExitCode::kMapTool);
  }
  os::ProcessOptions options;
  options.argv = {*program, StrCat(pid)};
  for (const os::IdMapLine& line : map) {
    options.argv.insert(options.argv.end(), {StrCat(line.inside), StrCat(line.outside), StrCat(line.count)});
  }
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), options));
  if (output.status.success()) return absl::OkStatus();
  std::string words = output.err + output.out;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::string cause = ExplainMapTool(LookAt(*program));
  absl::Status failure = FailedPrecondition(BracketWords(options.argv), " failed: ", words, cause.empty() ? "" : ": ", cause);
  return cause.empty() ? failure : WithExitCode(failure, ExitCode::kMapTool);
}

}  // namespace

std::string ExplainMapTool(const MapToolFacts& facts) {
  if (facts.no_new_privileges) {
    return "this process may not gain privileges (no_new_privs; in a container: --security-opt no-new-privileges=false, in a systemd unit: "
           "NoNewPrivileges=no)";
  }
  if (facts.nosuid_mount) return StrCat(facts.path, " lies on a file system mounted nosuid (mount it with suid)");
  if (!facts.set_user_id) return StrCat(facts.path, " is not set-user-ID root (as root: chown root ", facts.path, " && chmod u+s ", facts.path, ")");
  return "";
}

absl::StatusOr<IdMaps> ComputeIdMaps(const std::string& source) {
  User user = CallingUser();
  auto ranges = FindRanges(source, user);
  absl::Status failure = ranges.status();
  if (ranges.ok() && ranges->uids.empty()) failure = NoRanges("subuid", user);
  if (failure.ok() && ranges->gids.empty()) failure = NoRanges("subgid", user);
  if (!failure.ok()) return WithExitCode(failure, ExitCode::kNoSubIds);
  IdMaps maps;
  BK_ASSIGN(maps.uids, os::MakeIdMap(user.uid, ranges->uids));
  BK_ASSIGN(maps.gids, os::MakeIdMap(user.gid, ranges->gids));
  return maps;
}

absl::Status WriteIdMaps(pid_t pid, const IdMaps& maps) {
  BK_RETURN_IF_ERROR(RunMapTool("newuidmap", pid, maps.uids));
  return RunMapTool("newgidmap", pid, maps.gids);
}

}  // namespace bk::rootlesskit
