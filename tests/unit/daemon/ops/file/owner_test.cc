#include "daemon/ops/file/owner.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/ops/file/tree.h"

namespace bk::ops::file {
namespace {

using test::Tree;

absl::StatusOr<std::optional<Owner>> Resolve(const Tree& tree, const std::string& user, const std::string& group) {
  pb::ChownOpt option;
  auto set = [](const std::string& text, pb::UserOpt* out) {
    if (!text.empty() && std::isdigit(text[0])) {
      out->set_byid(static_cast<uint32_t>(std::stoul(text)));
    } else {
      out->mutable_byname()->set_name(text);
    }
  };
  if (!user.empty()) set(user, option.mutable_user());
  if (!group.empty()) set(group, option.mutable_group());
  return ResolveOwner(&option, &tree.root(), &tree.root());
}

TEST_CASE("no owner asked for is no owner") { CHECK_FALSE(ResolveOwner(nullptr, nullptr, nullptr)->has_value()); }

TEST_CASE("names come from passwd and group, numbers are themselves") {  // LLB-044
  Tree tree;
  tree.File("etc/passwd", "root:x:0:0::/:\n# c\n  spaced:x:11:12::/:  \nmary:x:1001:100::/:\nmary:x:1:1::/:\nshort:x:77\nbad:x:a:b\nneg:x:-5:-6\n");
  tree.File("etc/group", "wheel:x:10:root\nstaff:x:50:mary\n");
  CHECK(**Resolve(tree, "mary", "") == Owner{1001, 100});
  CHECK(**Resolve(tree, "mary", "staff") == Owner{1001, 50});
  CHECK(**Resolve(tree, "5", "") == Owner{5, 5});
  CHECK(**Resolve(tree, "5", "6") == Owner{5, 6});
  CHECK(**Resolve(tree, "mary", "7") == Owner{1001, 7});
  CHECK(**Resolve(tree, "nosuch", "nosuch") == Owner{0, 0});
  CHECK(**Resolve(tree, "", "staff") == Owner{0, 50});
  CHECK(**Resolve(tree, "spaced", "") == Owner{11, 12});
  CHECK(**Resolve(tree, "short", "") == Owner{77, 0});
  CHECK(**Resolve(tree, "bad", "") == Owner{0, 0});
  CHECK(**Resolve(tree, "neg", "") == Owner{static_cast<uid_t>(-5), static_cast<gid_t>(-6)});
}

TEST_CASE("files that are not there are empty; links to them stay inside the tree") {
  Tree tree, outside;
  CHECK(**Resolve(tree, "mary", "staff") == Owner{0, 0});
  outside.File("passwd", "mary:x:9:9::/:\n");
  tree.Link("etc/passwd", outside.At("passwd"));
  CHECK(**Resolve(tree, "mary", "") == Owner{0, 0});
  Tree file;
  file.File("etc", "not a directory");
  CHECK(**Resolve(file, "mary", "staff") == Owner{0, 0});
}

TEST_CASE("what is no regular file or too large is refused") {
  Tree tree;
  tree.Dir("etc/passwd");
  CHECK(Message(Resolve(tree, "mary", "").status()) == tree.At("etc/passwd") + " is not a regular file");
  REQUIRE(mkfifo(tree.At("etc/group").c_str(), 0600) == 0);
  CHECK_FALSE(Resolve(tree, "", "staff").ok());
  Tree large;
  large.File("etc/passwd", std::string((10 << 20) + 1, '\n'));
  CHECK(Message(Resolve(large, "mary", "").status()) == StrCat("\"", large.At("etc/passwd"), "\" exceeds 10485760 bytes"));
}

}  // namespace
}  // namespace bk::ops::file
