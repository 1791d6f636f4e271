// What every snapshotter driver must do: one suite for overlayfs, fuse-overlayfs and native, as root and in a user namespace.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os/file.h"
#include "snapshotter/diff/apply.h"
#include "snapshotter/diff/changes.h"
#include "snapshotter/driver/driver.h"

using namespace bk;
using namespace bk::snapshotter;

namespace {

constexpr const char* kDrivers[] = {"overlayfs", "fuse-overlayfs", "native"};

struct Snapshots {
  os::TempDir dir = *os::TempDir::Make("conformance-");
  DriverChoice choice;
  Parents chain;
  SnapshotId next = 1;

  explicit Snapshots(const std::string& name) {
    chmod(dir.path().c_str(), 0755);
    auto made = MakeDriver(name, dir.path() + "/snapshots");
    REQUIRE_MESSAGE(made.ok(), made.status().ToString());
    choice = *std::move(made);
    REQUIRE(std::string(choice.driver->Name()) == name);
  }
  Driver& driver() { return *choice.driver; }
  void Add(const std::function<void(const std::string&)>& change) {
    SnapshotId id = next++;
    REQUIRE(driver().Prepare({}, id, chain).ok());
    {
      auto mount = os::TempMount::Make(driver().WritableMounts(id, chain), dir.path());
      REQUIRE_MESSAGE(mount.ok(), mount.status().ToString());
      change(mount->path());
    }
    chain.insert(chain.begin(), id);
  }
  void See(const std::function<void(const std::string&)>& look) {
    auto mount = os::TempMount::Make(driver().ReadOnlyMounts(chain), dir.path());
    REQUIRE_MESSAGE(mount.ok(), mount.status().ToString());
    look(mount->path());
  }
  // The layer stream of the last snapshot, as the cache makes it.
  std::string Layer() {
    Parents below(chain.begin() + 1, chain.end());
    auto upper = os::TempMount::Make(driver().ReadOnlyMounts(chain), dir.path());
    REQUIRE(upper.ok());
    os::TempMount lower;
    if (!below.empty()) lower = *os::TempMount::Make(driver().ReadOnlyMounts(below), dir.path());
    std::string tar;
    absl::Status status = diff::WriteLayer({}, {lower.path(), upper->path(), driver().UpperDir(chain.front())}, [&](std::string_view bytes) {
      tar += bytes;
      return absl::OkStatus();
    });
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    return tar;
  }
};

void Put(const std::string& path, const std::string& bytes) { REQUIRE(os::WriteFile(path, bytes, 0644).ok()); }

void Pin(const std::string& path, time_t seconds) {
  timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

void Base(const std::string& root) {
  REQUIRE(os::MakeDirs(root + "/d/sub", 0755).ok());
  REQUIRE(os::MakeDirs(root + "/gone/below", 0755).ok());
  Put(root + "/d/a", "a");
  Put(root + "/d/sub/b", "b");
  Put(root + "/gone/below/c", "c");
  Put(root + "/keep", "keep");
  for (const char* path : {"/d/a", "/d/sub/b", "/gone/below/c", "/keep", "/d/sub", "/d", "/gone/below", "/gone"}) Pin(root + path, 1600000000);
}

// Deletes, replaces, makes opaque, changes an owner, adds.
void Change(const std::string& root) {
  REQUIRE(unlink((root + "/d/a").c_str()) == 0);
  REQUIRE(os::RemoveAll(root + "/gone").ok());
  REQUIRE(os::MakeDirs(root + "/gone", 0755).ok());
  Put(root + "/gone/new", "new");
  REQUIRE(os::RemoveAll(root + "/d/sub").ok());
  REQUIRE(os::MakeDirs(root + "/fresh/deep", 0755).ok());
  Put(root + "/fresh/deep/f", "f");
  REQUIRE(symlink("keep", (root + "/link").c_str()) == 0);
  REQUIRE(chown((root + "/keep").c_str(), 7, 8) == 0);
  for (const char* path : {"/gone/new", "/gone", "/d", "/fresh/deep/f", "/fresh/deep", "/fresh", "/link", "/keep"}) Pin(root + path, 1600000100);
}

size_t MountsBelow(const std::string& dir) {
  size_t count = 0;
  std::vector<os::MountInfo> mounts = *os::ReadMountInfo();
  for (const os::MountInfo& mount : mounts) count += mount.mount_point.starts_with(dir);
  return count;
}

size_t FuseProcesses(const std::string& dir) {
  size_t count = 0;
  std::vector<std::string> names = *os::ListDir("/proc");
  for (const std::string& name : names) {
    auto command = os::ReadFile("/proc/" + name + "/cmdline");
    count += command.ok() && command->find("fuse-overlayfs") != std::string::npos && command->find(dir) != std::string::npos;
  }
  return count;
}

}  // namespace

TEST_CASE("a snapshot shows its parents and its own changes; parents stay as they are") {  // SNP-002, SNP-003
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    s.Add(Base);
    s.Add(Change);
    s.See([](const std::string& root) {
      CHECK_FALSE(os::Exists(root + "/d/a"));
      CHECK_FALSE(os::Exists(root + "/d/sub"));
      CHECK(*os::ListDir(root + "/gone") == std::vector<std::string>{"new"});
      CHECK(*os::ReadFile(root + "/link") == "keep");
      struct stat st;
      REQUIRE(stat((root + "/keep").c_str(), &st) == 0);
      CHECK(st.st_uid == 7);
      CHECK(st.st_gid == 8);
      CHECK(open((root + "/x").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
    });
    s.chain.erase(s.chain.begin());
    s.See([](const std::string& root) {
      CHECK(*os::ReadFile(root + "/d/a") == "a");
      CHECK(*os::ReadFile(root + "/gone/below/c") == "c");
    });
  }
}

// Cache mounts and directories of clients live longer than one mount.
TEST_CASE("a tree that was written to is mounted again and shows what was written") {
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    s.Add(Base);
    SnapshotId id = s.next++;
    REQUIRE(s.driver().Prepare({}, id, s.chain).ok());
    for (int i = 0; i < 3; i++) {
      auto mount = os::TempMount::Make(s.driver().WritableMounts(id, s.chain), s.dir.path());
      REQUIRE_MESSAGE(mount.ok(), mount.status().ToString());
      CHECK(os::ReadFile(mount->path() + "/keep").value_or("") == (i == 0 ? "keep" : "kept"));
      Put(mount->path() + "/keep", "kept");
    }
  }
}

TEST_CASE("the same changes are the same layer with every driver") {  // SNP-016, SNP-017
  std::string first;
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    s.Add(Base);
    s.Add(Change);
    std::string layer = DigestOf(s.Layer()).str();
    if (first.empty()) first = layer;
    CHECK(layer == first);
  }
}

TEST_CASE("an applied layer shows what it was made of") {  // SNP-018, SNP-021
  Snapshots native("native");
  native.Add(Base);
  native.Add(Change);
  std::string tar = native.Layer();
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    s.Add(Base);
    SnapshotId id = s.next++;
    REQUIRE(s.driver().Prepare({}, id, s.chain).ok());
    diff::ApplyTarget target;
    target.overlay = s.driver().IsOverlay();
    target.xattr_prefix = s.driver().XattrPrefix();
    target.user_namespace = s.driver().InUserNamespace();
    target.dir = target.overlay ? s.driver().UpperDir(id) : s.driver().WritableMounts(id, s.chain)[0].source;
    if (target.overlay) target.lower_dirs = {s.driver().UpperDir(s.chain[0])};
    diff::StringSource source(tar);
    absl::Status status = diff::ApplyLayer({}, source, target).status();
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    s.chain.insert(s.chain.begin(), id);
    s.See([](const std::string& root) {
      CHECK_FALSE(os::Exists(root + "/d/a"));
      CHECK_FALSE(os::Exists(root + "/d/sub"));
      CHECK(*os::ListDir(root + "/gone") == std::vector<std::string>{"new"});
      CHECK(*os::ReadFile(root + "/keep") == "keep");
    });
    CHECK(DigestOf(s.Layer()).str() == DigestOf(tar).str());
  }
}

TEST_CASE("a chain of 120 snapshots can be read and written") {
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    for (int i = 0; i < 120; i++) {
      SnapshotId id = s.next++;
      REQUIRE(s.driver().Prepare({}, id, s.chain).ok());
      std::string dir = s.driver().IsOverlay() ? s.driver().UpperDir(id) : s.driver().WritableMounts(id, s.chain)[0].source;
      Put(StrCat(dir, "/f", i), StrCat(i));
      s.chain.insert(s.chain.begin(), id);
    }
    s.Add([](const std::string& root) { REQUIRE(unlink((root + "/f60").c_str()) == 0); });
    s.See([](const std::string& root) { CHECK(os::ListDir(root)->size() == 119); });
  }
}

TEST_CASE("no mount, no process and no directory is left") {
  for (const char* name : kDrivers) {
    CAPTURE(name);
    Snapshots s(name);
    std::string dir = s.dir.path();
    s.Add(Base);
    s.Add(Change);
    s.See([](const std::string&) {});
    CHECK(MountsBelow(dir) == 0);
    // fuse-overlayfs ends when its mount does; give the process the time to.
    for (int i = 0; i < 200 && FuseProcesses(dir) > 0; i++) usleep(10000);
    CHECK(FuseProcesses(dir) == 0);
    for (SnapshotId id : s.chain) REQUIRE(s.driver().Remove(id).ok());
    CHECK(s.driver().Remove(77).ok());
    CHECK(os::ListDir(dir + "/snapshots")->empty());
  }
}

TEST_CASE("auto takes the first that works and says why; an explicit choice that cannot work says what to do") {  // SNP-004, RLK-003
  os::TempDir dir = *os::TempDir::Make("conformance-");
  for (const char* name : {"lower", "upper", "work", "merged"}) REQUIRE(os::MakeDirs(dir.path() + "/" + name, 0755).ok());
  auto plain = MakeDriver("auto", dir.path() + "/plain");
  REQUIRE(plain.ok());
  CHECK(std::string(plain->driver->Name()) == "overlayfs");
  CHECK_FALSE(plain->reason.empty());
  // An overlay cannot be the upper directory of another one.
  std::vector<std::string> options = {"lowerdir=" + dir.path() + "/lower", "upperdir=" + dir.path() + "/upper", "workdir=" + dir.path() + "/work"};
  if (plain->driver->InUserNamespace()) options.push_back("userxattr");
  auto overlay = os::TempMount::Make({{"overlay", "overlay", options}}, dir.path());
  REQUIRE_MESSAGE(overlay.ok(), overlay.status().ToString());
  auto refused = MakeDriver("overlayfs", overlay->path() + "/s");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Message(refused.status()).find("--oci-worker-snapshotter=") != std::string::npos);
  auto other = MakeDriver("auto", overlay->path() + "/s");
  REQUIRE(other.ok());
  CHECK(std::string(other->driver->Name()) != "overlayfs");
  CHECK(other->reason.find("overlayfs") != std::string::npos);
  CHECK_FALSE(MakeDriver("zfs", dir.path()).ok());
}
