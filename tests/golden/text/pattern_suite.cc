// What is sent of a tree under include and exclude patterns, and where followed paths lead to. [INF-014, SRC-026]
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/os/file.h"
#include "proto/fsutil/walk.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

std::map<std::string, Json> g_trees;

absl::Status MakeEntry(const std::string& root, const Json& entry) {
  std::string type = entry.at("type").get<std::string>(), path = root + "/" + entry.at("path").get<std::string>();
  std::string link = entry.value("link", "");
  std::error_code failed;
  std::filesystem::create_directories(os::DirName(path), failed);
  int rc = 0;
  if (type == "d") rc = mkdir(path.c_str(), 0755) < 0 && errno != EEXIST ? -1 : 0;
  if (type == "l") rc = symlink(link.c_str(), path.c_str());
  if (type == "h") rc = ::link((root + "/" + link).c_str(), path.c_str());
  if (rc < 0) return ErrnoError(errno, path);
  return type == "f" ? os::WriteFile(path, entry.value("data", ""), 0644) : absl::OkStatus();
}

std::vector<std::string> Strings(const Json& input, const char* key) { return input.value(key, Json::array()).get<std::vector<std::string>>(); }

// The two maps of the cases: entries called `a` or `lib` are left out, or skipped with all below them.
fsutil::MapFunction MapOf(const std::string& name) {
  if (name.empty()) return nullptr;
  auto result = name == "exclude-a" ? fsutil::MapResult::kExclude : fsutil::MapResult::kSkipDir;
  return [result](fsutil::Stat& stat) {
    std::string base = stat.path().substr(stat.path().rfind('/') + 1);
    return base == "a" || base == "lib" ? result : fsutil::MapResult::kKeep;
  };
}

Json RowOf(const fsutil::Stat& stat) {
  if (stat.mode() & fsutil::kModeDir) return Json::array({"d", stat.path()});
  if (stat.mode() & fsutil::kModeSymlink) return Json::array({"l", stat.path(), stat.linkname()});
  return stat.linkname().empty() ? Json::array({"f", stat.path()}) : Json::array({"h", stat.path(), stat.linkname()});
}

}  // namespace

bool IsPatternCase(const Json& line) { return line.contains("expect"); }

void NotePatternTree(const Json& line) { g_trees[line.at("input").at("tree").get<std::string>()] = line.at("input").at("entries"); }

absl::Status RunPattern(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  BK_TRY(os::TempDir root, os::TempDir::Make("pattern"));
  for (const Json& entry : g_trees[input.at("tree").get<std::string>()]) BK_RETURN_IF_ERROR(MakeEntry(root.path(), entry));
  fsutil::WalkOptions options;
  options.include_patterns = Strings(input, "include");
  options.exclude_patterns = Strings(input, "exclude");
  options.follow_paths = Strings(input, "follow");
  options.map = MapOf(input.value("map", ""));
  if (expect.contains("follow_resolved")) {
    BK_TRY(std::vector<std::string> resolved, fsutil::FollowLinks(root.path(), options.follow_paths));
    BK_RETURN_IF_ERROR(ExpectJson("follow_resolved", Json(resolved), expect.at("follow_resolved").is_null() ? Json::array() : expect.at("follow_resolved")));
  }
  Json sent = Json::array();
  absl::Status walked = fsutil::Walk(CancelToken(), root.path(), options, [&](fsutil::Stat& stat) {
    sent.push_back(RowOf(stat));
    return absl::OkStatus();
  });
  if (expect.contains("error")) return ExpectText("error", Message(walked), expect.at("error").get<std::string>());
  BK_RETURN_IF_ERROR(walked);
  return ExpectJson("sent", sent, expect.at("sent"));
}

}  // namespace bk::golden::text
