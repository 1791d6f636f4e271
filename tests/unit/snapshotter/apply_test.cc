#include "snapshotter/diff/apply.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/file.h"
#include "snapshotter/diff/tar.h"

namespace bk::diff {
namespace {

struct Layer {
  std::string tar;
  TarWriter writer{[this](std::string_view bytes) { return tar.append(bytes), absl::OkStatus(); }};

  void Add(char type, const std::string& name, const std::string& content = "", int64_t mode = 0644) {
    TarHeader header;
    header.type = type;
    header.name = name;
    header.mode = mode;
    header.uid = getuid();
    header.gid = getgid();
    header.mtime = {1'000'000, 0};
    if (type == '1' || type == '2') header.link_name = content;
    if (type == '0') header.size_bytes = static_cast<int64_t>(content.size());
    REQUIRE(writer.Header(header).ok());
    if (type == '0') REQUIRE(writer.Data(content).ok());
  }
  absl::Status Apply(const std::string& dir) {
    REQUIRE(writer.Close().ok());
    StringSource source(tar);
    return ApplyLayer(CancelToken(), source, {dir}).status();
  }
};

TEST_CASE("apply: a directory that became a link leads later entries where the link does") {
  os::TempDir dir = *os::TempDir::Make("apply-test-");
  Layer layer;
  layer.Add('5', "a/b/", "", 0755);
  layer.Add('0', "a/b/first", "1");
  layer.Add('2', "a/b", "/other");
  layer.Add('0', "a/b/second", "2");
  layer.Add('0', "c/d/file", "");
  layer.Add('0', "c", "a file");
  layer.Add('0', "other/third", "3");
  REQUIRE(layer.Apply(dir.path()).ok());
  CHECK(*os::ReadFile(dir.path() + "/other/second") == "2");
  CHECK(*os::ReadFile(dir.path() + "/other/third") == "3");
  CHECK(*os::ReadFile(dir.path() + "/c") == "a file");
}

TEST_CASE("apply: a link out of the tree that replaces an open directory stays inside") {
  os::TempDir dir = *os::TempDir::Make("apply-test-"), outside = *os::TempDir::Make("apply-out-");
  Layer layer;
  layer.Add('0', "d/e/one", "1");
  layer.Add('2', "d", outside.path());
  layer.Add('0', "d/e/two", "2");
  layer.Add('0', "d/../../three", "3");
  REQUIRE(layer.Apply(dir.path()).ok());
  CHECK(os::ListDir(outside.path())->empty());
  CHECK(*os::ReadFile(dir.path() + outside.path() + "/e/two") == "2");
  CHECK(*os::ReadFile(dir.path() + "/three") == "3");
}

TEST_CASE("apply: files in the place of others have their own bytes, modes and times, also in many directories") {
  os::TempDir dir = *os::TempDir::Make("apply-test-");
  Layer layer;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 200; i++) layer.Add('0', StrCat("top/dir", i, "/file"), StrCat("round ", round, " of ", i), round == 0 ? 0600 : 04755);
  }
  layer.Add('1', "top/hard", "top/dir7/file", 04755);
  REQUIRE(layer.Apply(dir.path()).ok());
  for (int i = 0; i < 200; i++) {
    std::string path = StrCat(dir.path(), "/top/dir", i, "/file");
    struct stat st;
    REQUIRE(stat(path.c_str(), &st) == 0);
    CHECK(*os::ReadFile(path) == StrCat("round 1 of ", i));
    CHECK((st.st_mode & 07777) == 04755);
    CHECK(st.st_mtime == 1'000'000);
    CHECK(st.st_nlink == (i == 7 ? 2 : 1));
  }
}

}  // namespace
}  // namespace bk::diff
