#include <doctest/doctest.h>

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "daemon/ops/file/actions.h"
#include "tests/unit/daemon/ops/file/tree.h"

namespace bk::ops::file {
namespace {

using test::Tree;

// A copy as buildctl's own client asks for it.
pb::FileActionCopy Action(const std::string& from, const std::string& to) {
  pb::FileActionCopy action;
  action.set_src(from);
  action.set_dest(to);
  action.set_mode(-1);
  action.set_timestamp(-1);
  action.set_createdestpath(true);
  return action;
}

absl::Status Run(const Tree& from, const Tree& to, const pb::FileActionCopy& action, std::optional<Owner> owner = std::nullopt) {
  return Copy(CancelToken::Never(), from.root(), to.root(), action, owner);
}

TEST_CASE("copy of a file keeps mode, owner and times, or takes the given ones") {  // LLB-033, FST-029
  Tree from, to;
  from.File("f", "text", 04711);
  REQUIRE(lchown(from.At("f").c_str(), 5, 6) == 0);
  chmod(from.At("f").c_str(), 04711);
  from.Time("f", 1234);
  CHECK(Run(from, to, Action("/f", "/a/b/g")).ok());
  CHECK(to.Text("a/b/g") == "text");
  CHECK(to.Mode("a/b/g") == 04711);
  CHECK(to.Stat("a/b/g").st_uid == 5);
  CHECK(to.Stat("a/b/g").st_mtim.tv_sec == 1234);
  CHECK(to.Stat("a/b/g").st_mtim.tv_nsec == 500);
  CHECK(to.Mode("a/b") == 0755);

  auto action = Action("/f", "/c/g");
  action.set_mode(0600);
  action.set_timestamp(7'000'000'000);
  CHECK(Run(from, to, action, Owner{1, 2}).ok());
  CHECK(to.Mode("c/g") == 0600);
  CHECK(to.Mode("c") == 0600);
  CHECK(to.Stat("c/g").st_gid == 2);
  CHECK(to.Stat("c").st_uid == 1);
  CHECK(to.Stat("c/g").st_mtim.tv_sec == 7);
  CHECK(to.Stat("c").st_mtim.tv_sec == 7);
}

TEST_CASE("copy places a file into a directory under its name, and over a file") {
  Tree from, to;
  from.File("f", "new");
  to.File("d/other");
  to.File("g", "old");
  CHECK(Run(from, to, Action("/f", "/d")).ok());
  CHECK(Run(from, to, Action("/f", "/e/")).ok());
  CHECK(Run(from, to, Action("/f", "/g")).ok());
  CHECK(to.List() == "d/ d/f d/other e/ e/f g");
  CHECK(to.Text("g") == "new");
}

TEST_CASE("copy of a directory: whole under its name, or its contents") {  // LLB-034
  Tree from, to;
  from.File("src/a/b", "1");
  from.Dir("src", 0700);
  from.Time("src/a", 99);
  to.Dir("whole");
  CHECK(Run(from, to, Action("/src", "/whole")).ok());
  CHECK(Run(from, to, Action("/src", "/fresh")).ok());
  auto contents = Action("/src", "/contents");
  contents.set_dircopycontents(true);
  CHECK(Run(from, to, contents).ok());
  CHECK(to.List() == "contents/ contents/a/ contents/a/b fresh/ fresh/a/ fresh/a/b whole/ whole/src/ whole/src/a/ whole/src/a/b");
  CHECK(to.Mode("whole/src") == 0700);
  CHECK(to.Stat("whole/src/a").st_mtim.tv_sec == 99);
}

TEST_CASE("an existing directory at the top keeps its attributes, those below take the source's") {
  Tree from, to;
  from.Dir("src/sub", 0711);
  from.Time("src", 50);
  from.Dir("src", 0700);
  to.Dir("dst/sub", 0777);
  to.Dir("dst", 0770);
  auto action = Action("/src", "/dst");
  action.set_dircopycontents(true);
  CHECK(Run(from, to, action).ok());
  CHECK(to.Mode("dst") == 0770);
  CHECK(to.Mode("dst/sub") == 0711);
  CHECK(to.Stat("dst").st_mtim.tv_sec == from.Stat("src").st_mtim.tv_sec);
}

TEST_CASE("hard links among what is copied stay hard links; links, devices and sockets keep their kind") {  // FST-029
  Tree from, to;
  from.File("d/a", "same");
  REQUIRE(link(from.At("d/a").c_str(), from.At("d/b").c_str()) == 0);
  from.Link("d/l", "/etc/passwd");
  REQUIRE(mkfifo(from.At("d/fifo").c_str(), 0620) == 0);
  bool device = mknod(from.At("d/null").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
  CHECK(Run(from, to, Action("/d", "/d")).ok());
  CHECK(to.Stat("d/a").st_ino == to.Stat("d/b").st_ino);
  CHECK(to.Target("d/l") == "/etc/passwd");
  CHECK(S_ISFIFO(to.Stat("d/fifo").st_mode));
  if (device) CHECK(to.Stat("d/null").st_rdev == makedev(1, 3));
}

TEST_CASE("extended attributes are copied, but none that describes a layer") {
  Tree from, to;
  from.File("f");
  REQUIRE(setxattr(from.At("f").c_str(), "user.colour", "red", 3, 0) == 0);
  REQUIRE(setxattr(from.At("f").c_str(), "user.overlay.opaque", "y", 1, 0) == 0);
  CHECK(Run(from, to, Action("/f", "/f")).ok());
  char value[8];
  CHECK(getxattr(to.At("f").c_str(), "user.colour", value, sizeof value) == 3);
  CHECK(getxattr(to.At("f").c_str(), "user.overlay.opaque", value, sizeof value) < 0);
}

TEST_CASE("links: the last one of the source is copied or followed, those of the target are followed inside") {
  Tree from, to, outside;
  from.File("real/f", "x");
  from.Link("link", "/real");
  to.Link("into", outside.At(""));
  CHECK(Run(from, to, Action("/link", "/plain")).ok());
  CHECK(to.Target("plain") == "/real");
  auto action = Action("/link", "/followed");
  action.set_followsymlink(true);
  CHECK(Run(from, to, action).ok());
  CHECK(to.Text("followed/f") == "x");
  CHECK(Run(from, to, Action("/real/f", "/into/f")).ok());
  CHECK(outside.List() == "");
}

TEST_CASE("sources cannot leave their tree") {  // LLB-045, INF-032
  Tree from, to, outside;
  outside.File("secret");
  from.Link("out", outside.At(""));
  from.Link("up", "../../../../../../../../etc");
  CHECK_FALSE(Run(from, to, Action("/out/secret", "/x")).ok());
  CHECK_FALSE(Run(from, to, Action("/up/passwd", "/x")).ok());
  CHECK_FALSE(Run(from, to, Action("/../../../../../../etc/passwd", "/x")).ok());
  CHECK(to.List() == "");
}

TEST_CASE("missing source and missing parent are errors with the path inside the tree") {
  Tree from, to;
  from.File("f");
  CHECK(Message(Run(from, to, Action("/none", "/x"))) == "lstat /none: no such file or directory");
  CHECK(Message(Run(from, to, Action("/f/below", "/x"))) == "lstat /f/below: not a directory");
  auto action = Action("/f", "/no/where/x");
  action.set_createdestpath(false);
  CHECK(Message(Run(from, to, action)) == "failed to stat /no/where/x: lstat /no/where: no such file or directory");
}

TEST_CASE("wildcards: every match is copied; none is an error unless allowed") {  // LLB-036
  Tree from, to;
  for (const char* name : {"a.txt", "b.txt", "c.md", "sub/d.txt", "sub/e/f.txt"}) from.File(name);
  auto action = Action("/*.txt", "/out/");
  action.set_allowwildcard(true);
  CHECK(Run(from, to, action).ok());
  CHECK(to.List() == "out/ out/a.txt out/b.txt");
  action.set_src("/s*");
  CHECK(Run(from, to, action).ok());
  CHECK(to.List("out/sub") == "out/sub/d.txt out/sub/e/ out/sub/e/f.txt");
  action.set_src("/*.none");
  CHECK(Message(Run(from, to, action)) == "/*.none not found");
  action.set_allowemptywildcard(true);
  CHECK(Run(from, to, action).ok());
  action.set_src("/sub/*/f.txt");
  CHECK(Run(from, to, action).ok());
  CHECK(to.Has("out/f.txt"));
}

TEST_CASE("include patterns make only the directories that lead to a match; excludes win") {
  Tree from, to;
  for (const char* name : {"s/a/keep.c", "s/a/drop.h", "s/b/drop.h", "s/c/d/keep.c", "s/c/d/not.c"}) from.File(name);
  from.Dir("s/c", 0711);
  auto action = Action("/s", "/t");
  action.set_dircopycontents(true);
  action.add_include_patterns("**/*.c");
  action.add_exclude_patterns("**/not.c");
  CHECK(Run(from, to, action).ok());
  CHECK(to.List() == "t/ t/a/ t/a/keep.c t/c/ t/c/d/ t/c/d/keep.c");
  CHECK(to.Mode("t/c") == 0711);
}

TEST_CASE("include patterns find the directories that lead to a match there already") {
  Tree from, to;
  for (const char* name : {"s/c/d/e/new", "s/c/d/not", "s/c/f/e/new"}) from.File(name);
  for (const char* name : {"t/c/d/e/old", "t/c/other"}) to.File(name);
  auto action = Action("/s", "/t");
  action.set_dircopycontents(true);
  action.add_include_patterns("c/**/e");
  CHECK(Run(from, to, action) == absl::OkStatus());
  CHECK(to.List() == "t/ t/c/ t/c/d/ t/c/d/e/ t/c/d/e/new t/c/d/e/old t/c/f/ t/c/f/e/ t/c/f/e/new t/c/other");
}

TEST_CASE("excluded directories are entered only for exceptions") {
  Tree from, to;
  for (const char* name : {"s/bar/baz", "s/bar/foo", "s/top"}) from.File(name);
  auto action = Action("/s", "/t");
  action.add_exclude_patterns("bar");
  action.add_exclude_patterns("!bar/baz");
  CHECK(Run(from, to, action).ok());
  CHECK(to.List() == "t/ t/bar/ t/bar/baz t/top");
}

TEST_CASE("what is in the way: replaced on request, else a directory is never replaced by a file") {
  Tree from, to;
  from.File("s/x/f");
  from.File("s/y");
  to.File("t/x");
  to.File("t/y/inside");
  auto action = Action("/s", "/t");
  action.set_dircopycontents(true);
  CHECK_FALSE(Run(from, to, action).ok());
  action.set_alwaysreplaceexistingdestpaths(true);
  CHECK(Run(from, to, action).ok());
  CHECK(to.List() == "t/ t/x/ t/x/f t/y");
}

TEST_CASE("a link in the target is replaced by a file and refused for a directory") {
  Tree from, to, outside;
  outside.File("victim", "safe");
  from.File("s/f", "evil");
  from.File("s/d/g", "evil");
  to.Link("t/f", outside.At("victim"));
  auto action = Action("/s", "/t");
  action.set_dircopycontents(true);
  CHECK(Run(from, to, action).ok());
  CHECK(outside.Text("victim") == "safe");
  CHECK(to.Text("t/f") == "evil");
  Tree second;
  second.Link("t/d", outside.At(""));
  CHECK_FALSE(Run(from, second, action).ok());
  CHECK(outside.List() == "victim");
}

TEST_CASE("symbolic modes change each entry by itself") {
  Tree from, to;
  from.File("s/run", "", 0744);
  from.File("s/data", "", 0600);
  auto action = Action("/s", "/t");
  action.set_modestr("go=rX");
  CHECK(Run(from, to, action).ok());
  CHECK(to.Mode("t/run") == 0755);
  CHECK(to.Mode("t/data") == 0644);
  CHECK(to.Mode("t") == 0755);
  action.set_modestr("u=q");
  CHECK_FALSE(Run(from, to, action).ok());
}

TEST_CASE("copy stops when it is cancelled") {
  Tree from, to;
  from.File("f");
  CancelSource source;
  source.Cancel();
  CHECK(absl::IsCancelled(Copy(source.token(), from.root(), to.root(), Action("/f", "/f"), std::nullopt)));
}

TEST_CASE("large files arrive whole") {
  Tree from, to;
  std::string text;
  for (int i = 0; i < 300'000; i++) text += std::to_string(i);
  from.File("big", text);
  CHECK(Run(from, to, Action("/big", "/big")).ok());
  CHECK(to.Text("big") == text);
}

}  // namespace
}  // namespace bk::ops::file
