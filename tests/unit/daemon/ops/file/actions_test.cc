#include "daemon/ops/file/actions.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/ops/file/tree.h"

namespace bk::ops::file {
namespace {

using test::Tree;

pb::FileActionMkDir Mkdir(const std::string& path, bool parents = false, int64_t time = -1) {
  pb::FileActionMkDir action;
  action.set_path(path);
  action.set_mode(0751);
  action.set_makeparents(parents);
  action.set_timestamp(time);
  return action;
}

pb::FileActionMkFile Mkfile(const std::string& path, const std::string& data, int64_t time = -1) {
  pb::FileActionMkFile action;
  action.set_path(path);
  action.set_mode(0640);
  action.set_data(data);
  action.set_timestamp(time);
  return action;
}

pb::FileActionRm Rm(const std::string& path, bool wildcard = false, bool allow_missing = false) {
  pb::FileActionRm action;
  action.set_path(path);
  action.set_allowwildcard(wildcard);
  action.set_allownotfound(allow_missing);
  return action;
}

const CancelToken kNever = CancelToken::Never();

TEST_CASE("mkdir makes one directory with the mode, whatever the umask") {  // LLB-041
  Tree tree;
  mode_t before = umask(077);
  CHECK(MakeDirectory(tree.root(), Mkdir("/d"), std::nullopt).ok());
  umask(before);
  CHECK(tree.Mode("d") == 0751);
  CHECK(MakeDirectory(tree.root(), Mkdir("/d"), std::nullopt).ok());  // existing: left alone
  CHECK(Message(MakeDirectory(tree.root(), Mkdir("/missing/d"), std::nullopt)) == "mkdir /missing/d: no such file or directory");
}

TEST_CASE("mkdir with parents gives owner and time to what it makes") {
  Tree tree;
  tree.Dir("a", 0700);
  CHECK(MakeDirectory(tree.root(), Mkdir("/a/b/c", true, 1'000'000'000'500), Owner{7, 8}).ok());
  CHECK(tree.Mode("a") == 0700);
  for (const char* path : {"a/b", "a/b/c"}) {
    CHECK(tree.Stat(path).st_uid == 7);
    CHECK(tree.Stat(path).st_gid == 8);
    CHECK(tree.Mode(path) == 0751);
    CHECK(tree.Stat(path).st_mtim.tv_sec == 1000);
    CHECK(tree.Stat(path).st_mtim.tv_nsec == 500);
  }
}

TEST_CASE("mkdir through links stays inside the tree") {
  Tree tree, outside;
  tree.Link("abs", outside.At(""));
  tree.Link("up", "../../../../../../tmp/escape");
  CHECK(MakeDirectory(tree.root(), Mkdir("/abs/x", true), std::nullopt).ok());
  CHECK(MakeDirectory(tree.root(), Mkdir("/up/x", true), std::nullopt).ok());
  CHECK(MakeDirectory(tree.root(), Mkdir("../../../y", true), std::nullopt).ok());
  CHECK(outside.List() == "");
  CHECK(tree.Has("tmp/escape/x"));
  CHECK(tree.Has("y"));
}

TEST_CASE("mkfile writes, keeps the mode of an existing file and follows links inside the tree") {  // LLB-040
  Tree tree;
  tree.File("old", "longer text", 0600);
  tree.Link("link", "/new");
  CHECK(MakeFile(tree.root(), Mkfile("/old", "n"), std::nullopt).ok());
  CHECK(tree.Text("old") == "n");
  CHECK(tree.Mode("old") == 0600);
  CHECK(MakeFile(tree.root(), Mkfile("/link", "data", 5'000'000'000), Owner{3, 4}).ok());
  CHECK(tree.Text("new") == "data");
  CHECK(tree.Mode("new") == 0640);
  CHECK(tree.Stat("new").st_uid == 3);
  CHECK(tree.Stat("new").st_mtim.tv_sec == 5);
}

TEST_CASE("mkfile refuses what is no regular file") {
  Tree tree;
  REQUIRE(mkfifo(tree.At("fifo").c_str(), 0600) == 0);
  tree.Dir("dir");
  CHECK_FALSE(MakeFile(tree.root(), Mkfile("/fifo", "x"), std::nullopt).ok());
  CHECK_FALSE(MakeFile(tree.root(), Mkfile("/dir", "x"), std::nullopt).ok());
  CHECK_FALSE(MakeFile(tree.root(), Mkfile("/", "x"), std::nullopt).ok());
  CHECK(Message(MakeFile(tree.root(), Mkfile("/no/f", "x"), std::nullopt)) == "open /no/f: no such file or directory");
}

TEST_CASE("symlink makes a link with owner and time, and refuses an existing name") {
  Tree tree;
  pb::FileActionSymlink action;
  action.set_oldpath("../anything");
  action.set_newpath("/l");
  action.set_timestamp(9'000'000'000);
  CHECK(MakeSymlink(tree.root(), action, Owner{1, 2}).ok());
  CHECK(tree.Target("l") == "../anything");
  CHECK(tree.Stat("l").st_gid == 2);
  CHECK(tree.Stat("l").st_mtim.tv_sec == 9);
  tree.File("f");
  action.set_newpath("/f");
  CHECK(absl::IsAlreadyExists(MakeSymlink(tree.root(), action, std::nullopt)));
}

TEST_CASE("rm removes trees and links, never what links point at") {
  Tree tree, outside;
  outside.File("kept");
  tree.File("d/e/f");
  tree.Link("d/out", outside.At(""));
  tree.Link("link", "d");
  CHECK(Remove(kNever, tree.root(), Rm("/link")).ok());
  CHECK(tree.Has("d/e/f"));
  CHECK(Remove(kNever, tree.root(), Rm("d")).ok());
  CHECK(tree.List() == "");
  CHECK(outside.Has("kept"));
}

TEST_CASE("rm of what is not there is an error unless allowed") {
  Tree tree;
  auto missing = Remove(kNever, tree.root(), Rm("/none"));
  CHECK(Message(missing) == "stat /none: no such file or directory");
  CHECK(Remove(kNever, tree.root(), Rm("/none", false, true)).ok());
  CHECK(Remove(kNever, tree.root(), Rm("/none/below", false, true)).ok());
}

TEST_CASE("rm is confined: dots end at the root, and the root itself is refused") {
  Tree tree;
  tree.File("a/b");
  for (const char* path : {"..", "/", "a/../../..", "/.", ""}) CHECK_FALSE(Remove(kNever, tree.root(), Rm(path, false, true)).ok());
  CHECK(Remove(kNever, tree.root(), Rm("../../a/b")).ok());
  CHECK(tree.List() == "a/");
}

TEST_CASE("rm with wildcards removes every match and no link's target") {  // LLB-042, LLB-116, LLB-119
  Tree tree, outside;
  outside.File("x.log");
  tree.File("a/1.log");
  tree.File("a/2.log");
  tree.File("a/keep");
  tree.Link("a/l.log", outside.At("x.log"));
  tree.Link("b", outside.At(""));
  CHECK(Remove(kNever, tree.root(), Rm("/a/*.log", true, true)).ok());
  CHECK(tree.List() == "a/ a/keep b");
  CHECK(Remove(kNever, tree.root(), Rm("/b/*.log", true, true)).ok());
  CHECK(outside.Has("x.log"));
  CHECK(Remove(kNever, tree.root(), Rm("/a/none*", true)).ok());
}

}  // namespace
}  // namespace bk::ops::file
