#include "tests/golden/exec/rootlesskit_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <regex>
#include <sstream>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "base/os/reaper.h"

namespace bk::golden::exec {
namespace {

constexpr std::chrono::seconds kTimeLimit{60};
constexpr char kPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// Directories of a case: <base>/t is $TMP. The programs lie beside it, where the user can read them.
struct Place {
  os::TempDir base;
  std::string tmp, state, tmpdir, bin;
};

absl::Status MakeTree(const std::string& dir) {
  std::string script = StrCat("umask 022; mkdir -p ", dir, "/sub; cd ", dir,
                              "; echo h > .hidden; echo s > 'a b'; ln -s /etc/hostname abs; ln -s nowhere dangling; mkfifo fifo; echo f > file; "
                              "ln -s file rel; chmod 750 .; chown -Rh 1001:1001 .");
  os::ProcessOptions shell;
  shell.argv = {"/bin/sh", "-e", "-c", script};
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), shell));
  return output.status.success() ? absl::OkStatus() : Internal("make the copy-up tree: ", output.err);
}

absl::Status Install(const std::string& from, const std::string& to) {
  BK_TRY(std::string bytes, os::ReadFile(from));
  BK_RETURN_IF_ERROR(os::WriteFile(to, bytes, 0755));
  return chmod(to.c_str(), 0755) == 0 ? absl::OkStatus() : ErrnoError(errno, to);
}

absl::StatusOr<Place> MakePlace() {
  Place place;
  BK_ASSIGN(place.base, os::TempDir::Make("bk-golden-rootlesskit-", "/tmp"));
  const std::string& base = place.base.path();
  chmod(base.c_str(), 0755);
  place.tmp = base + "/t";
  place.state = place.tmp + "/state";
  place.tmpdir = base + "/tmpdir";
  place.bin = base + "/bin";
  for (const std::string& dir : {place.tmp, place.tmpdir, place.bin}) BK_RETURN_IF_ERROR(os::MakeDirs(dir, 0755));
  chmod(place.tmp.c_str(), 01777);
  chmod(place.tmpdir.c_str(), 01777);
  BK_RETURN_IF_ERROR(Install(BK_ROOTLESSKIT, place.bin + "/rootlesskit"));
  BK_RETURN_IF_ERROR(Install("tests/golden/exec/rootlesskit_probe.sh", place.bin + "/probe"));
  BK_RETURN_IF_ERROR(MakeTree(place.tmp + "/cu"));
  return place;
}

// The names that cases use for paths, replaced by the paths.
std::string Expand(std::string text, const Place& place) {
  ReplaceAll(text, "$STATE", place.state);
  ReplaceAll(text, "$PROBE", place.bin + "/probe");
  ReplaceAll(text, "$TMP/", place.tmp + "/");
  return text;
}

// And back, with numbers that differ from run to run.
std::string Normalize(std::string text, const Place& place) {
  static const std::regex kLogTime("time=\"[^\"]*\" "), kHidden("\\.ro[0-9]+\\b"), kOwnState("rootlesskit[A-Za-z0-9]{6}\\b"),
      kReexec("_ROOTLESSKIT_REEXEC_COUNT_[0-9]+_[0-9]+"), kChildPid("\"childPID\":[0-9]+"), kMaster("master:[0-9]+");
  ReplaceAll(text, place.state, "$STATE");
  ReplaceAll(text, place.tmpdir, "$TMPDIR");
  ReplaceAll(text, place.tmp, "$TMP");
  text = std::regex_replace(text, kLogTime, "");
  text = std::regex_replace(text, kHidden, ".ro$$N");
  text = std::regex_replace(text, kOwnState, "rootlesskit$$N");
  text = std::regex_replace(text, kReexec, "_ROOTLESSKIT_REEXEC_COUNT_$$NSINODE_$$PID");
  text = std::regex_replace(text, kChildPid, "\"childPID\":$$PID");
  return std::regex_replace(text, kMaster, "master:N");
}

std::vector<std::string> DriverEnvironment(const Json& input, const Place& place) {
  std::vector<std::string> env = {StrCat("PATH=", kPath), StrCat("TMP=", place.tmp)};
  env.push_back("BEFORE=" + Expand(input.value("before_as_root", ""), place));
  env.push_back("SHELL_WRAP=" + input.value("started_through_shell", ""));
  Json variables = {{"PATH", kPath}, {"HOME", "/home/alice"}, {"USER", "alice"}, {"TMPDIR", place.tmpdir}, {"LANG", "C.UTF-8"}};
  variables["TT"] = place.tmp;
  variables["RK"] = place.bin + "/rootlesskit";
  Json given = input.value("env", Json::object());
  for (const auto& [name, value] : given.items()) variables[name] = Expand(Text(value), place);
  for (const auto& [name, value] : variables.items()) env.push_back(StrCat("CASE_VALUE_", name, "=", value.get<std::string>()));
  return env;
}

// Sends the case's signal once the command is ready. False if it never was.
bool SendSignal(os::Process& process, int signal, const Place& place) {
  for (int i = 0; i < 3000 && !os::Exists(place.tmp + "/ready"); i++) {
    if (!CancelToken::Never().SleepFor(std::chrono::milliseconds(10)).ok()) return false;
  }
  process.Kill(signal);
  return os::Exists(place.tmp + "/ready");
}

absl::StatusOr<Json> ReadSeen(const Place& place) {
  std::string path = place.tmp + "/seen";
  if (!os::Exists(path)) return Json();
  BK_TRY(std::string text, os::ReadFile(path));
  std::istringstream lines(Normalize(text, place));
  Json seen = Json::object();
  for (std::string line; std::getline(lines, line);) {
    size_t tab = line.find('\t');
    std::string key = line.substr(0, tab), value = tab == line.npos ? "" : line.substr(tab + 1);
    if (key.ends_with("[]")) {
      seen[key.substr(0, key.size() - 2)].push_back(value);
    } else {
      seen[key] = value;
    }
  }
  return seen;
}

// Cgroups that a case's own script made below the root of cgroup2 (their names stand in it) and that are empty now.
void RemoveCgroupsOf(const std::string& before) {
  static const std::regex kName("/sys/fs/cgroup/([A-Za-z0-9_]+)");
  auto mounts = os::ReadMountInfo();
  if (!mounts.ok()) return;
  for (const os::MountInfo& mount : *mounts) {
    if (mount.type != "cgroup2") continue;
    for (std::sregex_iterator it(before.begin(), before.end(), kName), end; it != end; ++it) {
      std::string dir = StrCat(mount.mount_point, "/", (*it)[1].str());
      auto names = os::ListDir(dir);
      for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) rmdir(StrCat(dir, "/", name).c_str());
      rmdir(dir.c_str());
    }
  }
}

// Everything below a case becomes ours to see while this lives.
class OwnsOrphans {
 public:
  OwnsOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~OwnsOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 0); }
  // A killed launcher's processes end by themselves within moments; what stays is a leak.
  absl::Status ExpectNone() {
    for (int i = 0; i < 500; i++) {
      if (waitpid(-1, nullptr, WNOHANG) < 0) return absl::OkStatus();
      BK_RETURN_IF_ERROR(CancelToken::Never().SleepFor(std::chrono::milliseconds(10)));
    }
    return Internal("left ", os::EndDescendants(), " processes behind");
  }
};

absl::StatusOr<os::ExitStatus> RunProcess(const Json& input, const Place& place, int out, int err) {
  os::ProcessOptions start;
  start.argv = {"unshare", "--mount", "--propagation", "private", "/bin/bash", "tests/golden/exec/rootlesskit_driver.sh", StrCat(input.at("uid").get<int>())};
  start.argv.push_back(place.bin + "/rootlesskit");
  for (const Json& flag : input.at("flags")) start.argv.push_back(Expand(Text(flag), place));
  for (const Json& word : input.at("command")) start.argv.push_back(Expand(Text(word), place));
  start.env = DriverEnvironment(input, place);
  start.replace_env = true;
  start.fds = {{out, 1}, {err, 2}};
  BK_TRY(os::Process process, os::Process::Start(start));
  if (input.contains("signal_to_launcher") && !SendSignal(process, input["signal_to_launcher"].get<int>(), place)) return Internal("the command never started");
  return process.WaitFor(kTimeLimit);
}

}  // namespace

absl::StatusOr<LauncherRun> RunLauncher(const Json& input) {
  if (geteuid() != 0) return FailedPrecondition("must be root (the case makes a mount namespace and becomes the user itself)");
  BK_TRY(Place place, MakePlace());
  OwnsOrphans orphans;
  LauncherRun run;
  std::string out_path = place.base.path() + "/out", err_path = place.base.path() + "/err";
  {
    BK_TRY(os::UniqueFd out, os::Open(out_path, O_WRONLY | O_CREAT, 0600));
    BK_TRY(os::UniqueFd err, os::Open(err_path, O_WRONLY | O_CREAT, 0600));
    auto exit = RunProcess(input, place, out.get(), err.get());
    BK_RETURN_IF_ERROR(orphans.ExpectNone());
    if (!exit.ok()) return exit.status();
    run.exit = *exit;
  }
  RemoveCgroupsOf(input.value("before_as_root", ""));
  BK_TRY(run.out, os::ReadFile(out_path));
  run.out = Normalize(run.out, place);
  BK_TRY(std::string err, os::ReadFile(err_path));
  std::istringstream lines(Normalize(err, place));
  for (std::string line; std::getline(lines, line);) run.err.push_back(line);
  BK_ASSIGN(run.seen, ReadSeen(place));
  if (auto names = os::ListDir(place.state); names.ok()) run.state_after = *names;
  BK_TRY(auto own_state, os::ListDir(place.tmpdir));
  run.own_state_left = !own_state.empty();
  return run;
}

}  // namespace bk::golden::exec
