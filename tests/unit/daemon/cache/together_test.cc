// Layers of one chain that are unpacked at the same time, by a driver that keeps the layers' own trees (as overlays do).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <set>

#include "base/os/file.h"
#include "daemon/cache/manager.h"
#include "snapshotter/diff/tar.h"

using namespace bk;
using namespace bk::cache;

namespace {

// Directories in place of overlays: nothing is mounted.
class TreeDriver : public snapshotter::Driver {
 public:
  explicit TreeDriver(std::string root) : root_(std::move(root)) {}
  const char* Name() const override { return "trees"; }
  absl::Status Prepare(const CancelToken&, snapshotter::SnapshotId id, const snapshotter::Parents&) override { return os::MakeDirs(UpperDir(id), 0755); }
  std::vector<os::Mount> WritableMounts(snapshotter::SnapshotId id, const snapshotter::Parents&) const override { return {{"bind", UpperDir(id), {}}}; }
  std::vector<os::Mount> ReadOnlyMounts(const snapshotter::Parents& chain) const override { return {{"bind", UpperDir(chain[0]), {}}}; }
  std::string UpperDir(snapshotter::SnapshotId id) const override { return StrCat(root_, "/", id, "/fs"); }
  absl::Status Remove(snapshotter::SnapshotId id) override { return os::RemoveAll(StrCat(root_, "/", id)); }
  bool IsOverlay() const override { return true; }
  std::string XattrPrefix() const override { return "user."; }
  bool InUserNamespace() const override { return false; }

 private:
  const std::string root_;
};

// Which layers are being unpacked.
class Watcher : public solver::ProgressSink {
 public:
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent& event) override {
    if (event.name == "extracting") seen_.Change([&](auto& seen) { seen.insert(event.id); });
  }
  void Log(const solver::LogEvent&) override {}
  void Warning(const solver::WarningEvent&) override {}
  void Await(const Digest& layer) {
    seen_.Wait([&](const auto& seen) { return seen.contains("extracting " + layer.str()); });
  }

 private:
  Guarded<std::set<std::string>> seen_;
};

struct Tar {
  std::string bytes;
  diff::TarWriter writer{[this](std::string_view piece) { return bytes.append(piece), absl::OkStatus(); }};

  Tar& Add(char type, const std::string& name, const std::string& content = "", int64_t mode = 0644) {
    diff::TarHeader header;
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
    return *this;
  }
  std::string Done() {
    REQUIRE(writer.Close().ok());
    return bytes;
  }
};

struct Fixture {
  os::TempDir dir = *os::TempDir::Make("together-test-");
  std::unique_ptr<meta::Database> db = *meta::Database::Open(dir.path() + "/store.db");
  std::unique_ptr<content::ContentStore> content = *content::ContentStore::Open(dir.path() + "/content");
  lease::Leases leases{db.get()};
  TreeDriver driver{dir.path() + "/snapshots"};
  std::unique_ptr<Manager> manager;
  std::shared_ptr<Watcher> watcher = std::make_shared<Watcher>();
  CancelToken cancel;
  ImmutablePtr top;
  // Called before a layer's last bytes come.
  using Before = std::function<absl::Status(const CancelToken&)>;

  Fixture() {
    REQUIRE(os::MakeDirs(dir.path() + "/snapshots", 0700).ok());
    REQUIRE(leases.Load().ok());
    manager = std::make_unique<Manager>(db.get(), content.get(), &leases, &driver, dir.path());
    REQUIRE(manager->Recover().ok());
  }
  void Push(const std::string& tar, Before before = nullptr, const std::string& diff_id_of = "") {
    Descriptor blob{"application/vnd.oci.image.layer.v1.tar", DigestOf(tar), static_cast<int64_t>(tar.size()), {}, {}, ""};
    BlobFetcher fetch = [this, tar, before](const CancelToken& token, const FetchContext& context, const Descriptor& wanted) -> absl::Status {
      BK_TRY(content::Ingest ingest, content->NewIngest(context.arrival));
      std::string_view bytes = tar;
      size_t first = bytes.size() > (300 << 10) ? 300 << 10 : 0;
      if (first > 0) BK_RETURN_IF_ERROR(ingest.Write(bytes.substr(0, first)));
      if (before) BK_RETURN_IF_ERROR(before(token));
      BK_RETURN_IF_ERROR(ingest.Write(bytes.substr(first)));
      return ingest.Commit(wanted.digest, wanted.size).status();
    };
    auto made = manager->GetByBlob(cancel, blob, DigestOf(diff_id_of.empty() ? tar : diff_id_of), top, fetch, {});
    REQUIRE_MESSAGE(made.ok(), made.status().ToString());
    top = *made;
  }
  absl::Status Extract(const CancelToken& token) { return top->Extract(token, {{}, solver::VertexProgress(watcher, DigestOf("vertex"))}); }
  absl::Status Extract() { return Extract(cancel); }
  size_t Snapshots() { return os::ListDir(dir.path() + "/snapshots")->size(); }
  // In the tree of the layer `index`, lowest is 0.
  std::string Path(size_t index, const std::string& name) {
    std::vector<ImmutablePtr> chain = top->LayerChain();
    auto active = chain[index]->Mount(cancel, {}, true);
    REQUIRE(active.ok());
    return (*active)->mounts()[0].source + "/" + name;
  }
  struct stat Stat(size_t index, const std::string& name) {
    struct stat st = {};
    CHECK(lstat(Path(index, name).c_str(), &st) == 0);
    return st;
  }
};

const std::string kLarge(600 << 10, 'x');

}  // namespace

TEST_CASE("together: a layer is unpacked while the one below still comes") {
  Fixture f;
  std::string upper = Tar().Add('0', "b", kLarge).Done();
  f.Push(Tar().Add('0', "a", kLarge).Done(), [&](const CancelToken&) {
    f.watcher->Await(DigestOf(upper));  // would wait for ever if layers were unpacked one after another
    return absl::OkStatus();
  });
  f.Push(upper);
  absl::Status status = f.Extract();
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  CHECK(*os::ReadFile(f.Path(0, "a")) == kLarge);
  CHECK(*os::ReadFile(f.Path(1, "b")) == kLarge);
  CHECK(f.Snapshots() == 2);
}

TEST_CASE("together: parents that a layer only implies have the attributes of the layers below, whenever those come") {
  Fixture f;
  std::string upper = Tar().Add('0', "d/e/new", kLarge).Add('0', "own/x", "").Add('5', "d/", "", 0711).Done();
  f.Push(Tar().Add('0', "large", kLarge).Add('5', "d/", "", 0700).Add('5', "d/e/", "", 0750).Done(), [&](const CancelToken&) {
    f.watcher->Await(DigestOf(upper));
    return absl::OkStatus();
  });
  f.Push(upper);
  absl::Status status = f.Extract();
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  CHECK((f.Stat(1, "d/e").st_mode & 07777) == 0750);
  CHECK((f.Stat(1, "own").st_mode & 07777) == 0755);
  CHECK((f.Stat(1, "d").st_mode & 07777) == 0711);  // the layer says so itself
}

TEST_CASE("together: deletions are told only of what the layers below show") {
  Fixture f;
  std::string upper = Tar().Add('0', "large", kLarge).Add('0', ".wh.gone").Add('0', ".wh.never").Done();
  f.Push(Tar().Add('0', "first", kLarge).Add('0', "gone", "1").Done(), [&](const CancelToken&) {
    f.watcher->Await(DigestOf(upper));
    return absl::OkStatus();
  });
  f.Push(upper);
  absl::Status status = f.Extract();
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  CHECK(S_ISCHR(f.Stat(1, "gone").st_mode));
  CHECK(f.Stat(1, "gone").st_rdev == makedev(0, 0));
  CHECK_FALSE(os::Exists(f.Path(1, "never")));
}

TEST_CASE("together: hard links hold within a layer; one to a file of a lower layer fails, as it does one after another") {
  Fixture f;
  f.Push(Tar().Add('0', "a", "1").Add('1', "same", "a").Done());
  REQUIRE(f.Extract().ok());
  CHECK(f.Stat(0, "a").st_ino == f.Stat(0, "same").st_ino);
  for (bool together : {false, true}) {
    Fixture g;
    g.Push(Tar().Add('0', "a", "1").Done());
    if (!together) REQUIRE(g.Extract().ok());
    g.Push(Tar().Add('1', "b", "a").Done());
    absl::Status status = g.Extract();
    CHECK(absl::IsNotFound(status));
    CHECK(std::string(status.message()).find("link ") != std::string::npos);
    CHECK(g.top->IsLazy());
    CHECK(g.Snapshots() == 1);
  }
}

TEST_CASE("together: a root that a layer does not touch keeps the times below") {
  Fixture f;
  f.Push(Tar().Add('0', "a", "1").Done());
  f.Push(Tar().Done());
  f.Push(Tar().Add('0', "b", "2").Done());
  REQUIRE(f.Extract().ok());
  struct stat below = f.Stat(0, "."), same = f.Stat(1, "."), changed = f.Stat(2, ".");
  CHECK(same.st_mtim.tv_sec == below.st_mtim.tv_sec);
  CHECK(same.st_mtim.tv_nsec == below.st_mtim.tv_nsec);
  CHECK(changed.st_mtim.tv_sec > 1'000'000);
}

TEST_CASE("together: a layer that fails in the middle leaves what is below and nothing else, and its error is told") {
  Fixture f;
  std::string third = Tar().Add('0', "c", kLarge).Done(), second = Tar().Add('0', "b", "2").Done();
  f.Push(Tar().Add('0', "a", "1").Done());
  f.Push(second, nullptr, "a lie");
  f.Push(third);
  f.Push(Tar().Add('0', "implied/d", "4").Done());
  absl::Status status = f.Extract();
  CHECK(absl::IsDataLoss(status));
  CHECK(std::string(status.message()).starts_with("failed to extract layer " + DigestOf(second).str() + ": layer "));
  CHECK(f.Snapshots() == 1);
  std::vector<ImmutablePtr> chain = f.top->LayerChain();
  CHECK_FALSE(chain[0]->IsLazy());
  for (size_t i = 1; i < 4; i++) CHECK(chain[i]->IsLazy());
  CHECK(os::ListDir(f.dir.path() + "/content/ingest")->empty());
}

TEST_CASE("together: whoever cancels leaves nothing of the layers under way") {
  Fixture f;
  CancelSource stop(f.cancel);
  std::string upper = Tar().Add('0', "b", kLarge).Done();
  auto await_end = [](const CancelToken& cancel) {
    Guarded<bool> ended;
    CancelCallback wake(cancel, [&] { ended.Change([](bool& now) { now = true; }); });
    ended.Wait([&](bool now) { return now || cancel.cancelled(); });
    return cancel.Check();
  };
  f.Push(Tar().Add('0', "a", kLarge).Done(), [&](const CancelToken& cancel) {
    f.watcher->Await(DigestOf(upper));
    stop.Cancel(Unavailable("given up"));
    return await_end(cancel);
  });
  f.Push(upper, await_end);
  CHECK(absl::IsUnavailable(f.Extract(stop.token())));
  CHECK(f.Snapshots() == 0);
  CHECK(f.content->List()->empty());
  CHECK(os::ListDir(f.dir.path() + "/content/ingest")->empty());
}
