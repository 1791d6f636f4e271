#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>

#include <filesystem>

#include "daemon/ops/file/actions.h"
#include "tests/unit/daemon/ops/file/tree.h"
#include "tests/unit/support/archive_filter.h"

namespace bk::ops::file {
namespace {

using test::Tree;

struct Member {
  std::string name;
  unsigned type = AE_IFREG;
  std::string text;        // or the link's target
  bool hardlink = false;
  unsigned mode = 0644;
};

// A pax archive in memory, packed as `filter` says (ARCHIVE_FILTER_…).
std::string Pack(const std::vector<Member>& members, int filter = ARCHIVE_FILTER_NONE) {
  archive* a = archive_write_new();
  archive_write_set_format_pax_restricted(a);
  REQUIRE(AddFilter(a, filter) == ARCHIVE_OK);
  archive_write_set_bytes_in_last_block(a, 1);
  std::string out(1 << 20, '\0');
  size_t used = 0;
  archive_write_open_memory(a, out.data(), out.size(), &used);
  for (const Member& m : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, m.name.c_str());
    archive_entry_set_filetype(entry, m.type);
    archive_entry_set_perm(entry, m.mode);
    archive_entry_set_uid(entry, 11);
    archive_entry_set_gid(entry, 12);
    archive_entry_set_mtime(entry, 1000, 0);
    if (m.hardlink) {
      archive_entry_set_hardlink(entry, m.text.c_str());
    } else if (m.type == AE_IFLNK) {
      archive_entry_set_symlink(entry, m.text.c_str());
    } else if (m.type == AE_IFREG) {
      archive_entry_set_size(entry, static_cast<la_int64_t>(m.text.size()));
    }
    archive_write_header(a, entry);
    if (m.type == AE_IFREG && !m.hardlink) archive_write_data(a, m.text.data(), m.text.size());
    archive_entry_free(entry);
  }
  archive_write_close(a);
  archive_write_free(a);
  out.resize(used);
  return out;
}

absl::StatusOr<bool> Unpack(const Tree& from, const Tree& to, std::optional<Owner> owner = std::nullopt, const std::string& dest = "/out/") {
  return UnpackArchive(CancelToken::Never(), from.root(), "/a", to.root(), dest, owner, std::nullopt);
}

TEST_CASE("tar archives of every compression are unpacked with their attributes") {
  for (int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD}) {
    Tree from, to;
    from.File("a", Pack({{"d/", AE_IFDIR, "", false, 0750}, {"d/f", AE_IFREG, "text", false, 04755}, {"d/l", AE_IFLNK, "f"}, {"h", AE_IFREG, "d/f", true, 04755}}, filter));
    auto done = Unpack(from, to);
    REQUIRE(done.ok());
    CHECK(*done);
    CHECK(to.List("out") == "out/d/ out/d/f out/d/l out/h");
    CHECK(to.Text("out/d/f") == "text");
    CHECK(to.Mode("out/d/f") == 04755);
    CHECK(to.Mode("out/d") == 0750);
    CHECK(to.Stat("out/d").st_mtim.tv_sec == 1000);
    CHECK(to.Stat("out/d/l").st_uid == 11);
    CHECK(to.Stat("out/h").st_ino == to.Stat("out/d/f").st_ino);
  }
}

TEST_CASE("the owner asked for goes before the archive's") {
  Tree from, to;
  from.File("a", Pack({{"d/f", AE_IFREG, "x"}}));
  REQUIRE(Unpack(from, to, Owner{3, 4}).ok());
  CHECK(to.Stat("out/d/f").st_uid == 3);
  CHECK(to.Stat("out").st_gid == 4);
}

TEST_CASE("what is no tar archive is not touched") {
  Tree from, to;
  for (const std::string& text : {std::string("plain text"), std::string(), std::string(4096, '\0'), std::string("\x1f\x8b garbage")}) {
    from.File("a", text);
    auto done = Unpack(from, to);
    REQUIRE(done.ok());
    CHECK_FALSE(*done);
  }
  std::filesystem::remove(from.At("a"));
  from.Dir("a");
  CHECK_FALSE(Unpack(from, to).value());
  CHECK(to.List() == "");
}

TEST_CASE("an archive cannot write outside of its directory") {
  Tree from, to, outside;
  outside.File("victim", "safe");
  from.File("a", Pack({{"../../../../escape", AE_IFREG, "x"},
                       {"/abs", AE_IFREG, "x"},
                       {"link", AE_IFLNK, outside.At("")},
                       {"link/planted", AE_IFREG, "x"},
                       {"up", AE_IFLNK, "../../../.."},
                       {"up/tmp/planted", AE_IFREG, "x"},
                       {"hard", AE_IFREG, outside.At("victim"), true}}));
  (void)Unpack(from, to);
  CHECK(outside.List() == "victim");
  CHECK(outside.Stat("victim").st_nlink == 1);
  CHECK(to.List().find("out/escape") != std::string::npos);
  CHECK(to.List().find("out/abs") != std::string::npos);
  CHECK_FALSE(to.Has("planted"));
  CHECK_FALSE(to.Has("tmp"));
}

TEST_CASE("existing entries are replaced, directories merged") {
  Tree from, to;
  to.File("out/d/kept");
  to.File("out/file/below");
  to.Link("out/l", "/nowhere");
  from.File("a", Pack({{"d/", AE_IFDIR}, {"d/f", AE_IFREG, "x"}, {"file", AE_IFREG, "now a file"}, {"l", AE_IFREG, "now a file"}}));
  REQUIRE(Unpack(from, to).ok());
  CHECK(to.List("out") == "out/d/ out/d/f out/d/kept out/file out/l");
}

TEST_CASE("a damaged archive is an error") {
  Tree from, to;
  std::string whole = Pack({{"a", AE_IFREG, std::string(50'000, 'x')}, {"b", AE_IFREG, "y"}});
  from.File("a", whole.substr(0, 20'000));
  CHECK_FALSE(Unpack(from, to).ok());
}

TEST_CASE("names that are not ASCII keep their bytes") {
  Tree from, to;
  from.File("a", Pack({{"gr\xc3\xbc\xc3\x9f", AE_IFREG, "x"}}));
  REQUIRE(Unpack(from, to).ok());
  CHECK(to.List("out") == "out/gr\xc3\xbc\xc3\x9f");
}

TEST_CASE("a copy that may unpack copies what is no archive") {
  Tree from, to;
  from.File("a", "text");
  from.File("b.tar", Pack({{"in", AE_IFREG, "x"}}));
  pb::FileActionCopy action;
  action.set_src("/*");
  action.set_dest("/out/");
  action.set_mode(-1);
  action.set_timestamp(-1);
  action.set_createdestpath(true);
  action.set_allowwildcard(true);
  action.set_attemptunpackdockercompatibility(true);
  REQUIRE(Copy(CancelToken::Never(), from.root(), to.root(), action, std::nullopt).ok());
  CHECK(to.List("out") == "out/a out/in");
}

}  // namespace
}  // namespace bk::ops::file
