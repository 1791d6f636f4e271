// Steps run for real (needs root and runc); what changed in the root is what the layer would have.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <map>

#include "base/os/file.h"
#include "sandbox/exec/runtime_executor.h"
#include "tests/golden/exec/own_mounts.h"
#include "tests/golden/exec/step_input.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

constexpr time_t kOldTime = 981173106;  // 2001-02-03T04:05:06Z

using Tree = std::map<std::string, struct stat>;

void Walk(const std::string& root, const std::string& below, Tree& tree) {
  std::vector<std::string> names = os::ListDir(root + "/" + below).value_or(std::vector<std::string>());
  for (const std::string& name : names) {
    std::string path = below + name;
    struct stat st;
    if (lstat((root + "/" + path).c_str(), &st) < 0) continue;
    bool dir = S_ISDIR(st.st_mode);
    tree[path + (dir ? "/" : "")] = st;
    if (dir) Walk(root, path + "/", tree);
  }
}

// As a layer is compared: of directories the times do not count, nor their sizes.
bool Same(const struct stat& a, const struct stat& b) {
  if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid) return false;
  return S_ISDIR(a.st_mode) || (a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
}

Json Entry(const std::string& path, const struct stat& st) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", st.st_mode & 07777);
  const char* type = S_ISDIR(st.st_mode) ? "5" : S_ISLNK(st.st_mode) ? "2" : "0";
  Json entry = {{"gid", st.st_gid}, {"mode", mode}, {"mtime", st.st_mtim.tv_sec == kOldTime ? "kept" : "now"}, {"path", path}, {"type", type}, {"uid", st.st_uid}};
  if (S_ISREG(st.st_mode)) entry["size"] = st.st_size;
  return entry;
}

// What is new or changed, and the directories above it.
Json Changes(const Tree& before, const Tree& after) {
  std::map<std::string, Json> layer;
  auto add_parents = [&](const std::string& path) {
    for (size_t slash = path.find('/'); slash != std::string::npos && slash + 1 < path.size(); slash = path.find('/', slash + 1)) {
      std::string parent = path.substr(0, slash + 1);
      if (auto found = after.find(parent); found != after.end()) layer[parent] = Entry(parent, found->second);
    }
  };
  for (const auto& [path, st] : after) {
    auto old = before.find(path);
    if (old != before.end() && Same(old->second, st)) continue;
    layer[path] = Entry(path, st);
    add_parents(path);
  }
  for (const auto& [path, st] : before) {
    if (after.contains(path)) continue;
    std::string bare = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
    std::string whiteout = os::JoinPath(os::DirName(bare), ".wh." + os::BaseName(bare));
    layer[whiteout] = {{"path", whiteout}};
    add_parents(path);
  }
  Json out = Json::array();
  for (const auto& [path, entry] : layer) out.push_back(entry);
  return out;
}

absl::Status CheckMode(const Json& c, const Json& want, const std::string& mode) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-stubs-"));
  StepFiles files(dir.path());
  BK_TRY(StepInput step, files.Make(c["input"], mode != "root"));
  step.process.trace_socket.clear();
  bk::exec::RuntimeOptions options;
  options.root = files.executor();
  options.binary = "runc";
  options.rootless = mode != "root";
  BK_TRY(auto executor, bk::exec::MakeRuntimeExecutor(options));
  const std::string& root = step.root[0].source;
  Tree before, after;
  Walk(root, "", before);
  std::string words;
  bk::exec::Stdio stdio;
  stdio.output = [&](int, std::string_view bytes) { words += bytes; };
  BK_TRY(bk::exec::StepExit exit, executor->Run(CancelToken::Never(), "", step.root, step.mounts, step.process, stdio));
  Walk(root, "", after);
  // What a layer of a step that failed has is of no use but for the reason.
  if (exit.code != 0 && Changes(before, after) != want["layer"]) return Internal("the step failed: ", words);
  return ExpectJson("layer", Changes(before, after), want["layer"]);
}

}  // namespace

absl::Status RunStubs(const Json& c, const std::string&) {
  if (geteuid() != 0) return FailedPrecondition("needs root");
  BK_RETURN_IF_ERROR(OwnMounts());
  for (const char* mode : {"root", "rootless"}) {
    if (!c["expect"].contains(mode)) continue;
    Json want = c["expect"][mode];
    if (want.is_string()) want = c["expect"][want.get<std::string>().substr(3)];
    absl::Status status = CheckMode(c, want, mode);
    if (!status.ok()) return Annotate(status, mode);
  }
  return absl::OkStatus();
}

}  // namespace bk::golden::exec
