// local:// over a real store: trees are kept between builds and brought up to date (trap 15).
#include "daemon/source/local.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>

#include "base/os/file.h"
#include "daemon/cache/contenthash.h"
#include "daemon/cache/store.h"
#include "proto/fsutil/sender.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/packet_pipe.h"

namespace bk::source {
namespace {

struct Bench {
  Bench() : temp(*os::TempDir::Make("local-source-")), dir(temp.path() + "/context") {
    REQUIRE(os::MakeDirs(dir, 0755).ok());
    auto opened = cache::Store::Open({temp.path() + "/root", "native"});
    REQUIRE_MESSAGE(opened.ok(), Message(opened.status()));
    store = std::move(*opened);
    sessions.client->packets = [this]() -> absl::StatusOr<std::unique_ptr<fsutil::Stream>> {
      return std::make_unique<testing::PacketPipe>([this](fsutil::Stream& stream) { return Serve(stream); });
    };
    source = MakeLocalSource({&sessions, &store->manager()});
  }
  absl::Status Serve(fsutil::Stream& stream) {
    if (hold) hold();
    if (broken) return Unknown("the client's disk is on fire");
    return fsutil::SendTree(CancelToken::Never(), stream, dir, {}, [this](int64_t bytes) { sent_bytes = bytes; });
  }
  void Write(const std::string& name, const std::string& text) { REQUIRE(os::WriteFile(dir + "/" + name, text, 0644).ok()); }
  absl::StatusOr<cache::ImmutablePtr> Snapshot(const std::map<std::string, std::string>& attrs = {}) {
    sent_bytes = 0;
    auto instance = source->Resolve({"local://context", attrs, {}});
    if (!instance.ok()) return instance.status();
    return (*instance)->Snapshot(CancelToken::Never(), context);
  }
  std::string Read(const cache::ImmutablePtr& ref, const std::string& name) {
    auto mount = ref->Mount(CancelToken::Never(), context, true);
    REQUIRE(mount.ok());
    auto mounted = os::TempMount::Make((*mount)->mounts());
    REQUIRE(mounted.ok());
    return os::ReadFile(mounted->path() + "/" + name).value_or("(missing)");
  }
  std::string Checksum(const cache::ImmutablePtr& ref, const std::string& name) {
    auto digest = cache::Checksum(CancelToken::Never(), context, ref, name, {});
    return digest.ok() ? digest->str() : Message(digest.status());
  }
  size_t Trees() { return store->manager().FindMutable("local.sharedKey:context::key").size(); }

  os::TempDir temp;
  const std::string dir;
  std::unique_ptr<cache::Store> store;
  testing::FakeSessions sessions;
  std::unique_ptr<Source> source;
  cache::FetchContext context{{"session"}, {}};
  bool broken = false;
  std::function<void()> hold;
  std::atomic<int64_t> sent_bytes = 0;
};

TEST_CASE("the transfer is told as one, with its bytes at the end") {  // SRC-034, FST-027
  struct Sink : solver::ProgressSink {
    std::vector<solver::StatusEvent> told;
    void Vertex(const solver::VertexEvent&) override {}
    void Status(const solver::StatusEvent& event) override { told.push_back(event); }
    void Log(const solver::LogEvent&) override {}
    void Warning(const solver::WarningEvent&) override {}
  };
  Bench bench;
  bench.Write("a", "first");
  auto sink = std::make_shared<Sink>();
  bench.context.progress = solver::VertexProgress(sink, DigestOf("vertex"));
  REQUIRE(bench.Snapshot().ok());
  REQUIRE(sink->told.size() >= 2);
  for (const solver::StatusEvent& event : sink->told) {
    CHECK(event.id == "transferring context:");
    CHECK(event.name == "transferring");
  }
  CHECK(sink->told.back().completed_ns != 0);
  CHECK(sink->told.back().current >= 5);
}

TEST_CASE("the second build transfers what changed, into the same tree") {  // SRC-027, SRC-032
  Bench bench;
  bench.Write("a", "first");
  bench.Write("b", "stays");
  int64_t everything = 0;
  {
    auto first = bench.Snapshot();
    REQUIRE_MESSAGE(first.ok(), Message(first.status()));
    CHECK(bench.Read(*first, "a") == "first");
    everything = bench.sent_bytes;
  }
  CHECK(bench.Trees() == 1);
  bench.Write("a", "second");
  auto second = bench.Snapshot();
  REQUIRE(second.ok());
  CHECK(bench.Read(*second, "a") == "second");
  CHECK(bench.Read(*second, "b") == "stays");
  CHECK(bench.sent_bytes == everything + 1 - 11);  // "second" is longer, and the packet of "stays" was not sent
  CHECK(bench.Trees() == 1);
}

TEST_CASE("checksums follow what a later transfer changes, adds and removes") {  // SRC-033
  Bench bench;
  bench.Write("a", "first");
  bench.Write("gone", "x");
  std::string before, other;
  {
    auto first = bench.Snapshot();
    REQUIRE(first.ok());
    before = bench.Checksum(*first, "/a");
    other = bench.Checksum(*first, "/gone");
  }
  bench.Write("a", "other");
  REQUIRE(unlink((bench.dir + "/gone").c_str()) == 0);
  auto second = bench.Snapshot();
  REQUIRE(second.ok());
  CHECK(bench.Checksum(*second, "/a") != before);
  CHECK(bench.Checksum(*second, "/gone") != other);
  Bench fresh;
  fresh.Write("a", "other");
  auto third = fresh.Snapshot();
  REQUIRE(third.ok());
  CHECK(fresh.Checksum(*third, "/a") == bench.Checksum(*second, "/a"));
}

TEST_CASE("a failed transfer destroys the tree, and the next build starts anew") {  // SRC-032
  Bench bench;
  bench.Write("a", "first");
  REQUIRE(bench.Snapshot().ok());
  CHECK(bench.Trees() == 1);
  const int64_t everything = bench.sent_bytes;
  bench.broken = true;
  auto failed = bench.Snapshot();
  CHECK(Message(failed.status()).find("disk is on fire") != std::string::npos);
  CHECK(bench.Trees() == 0);
  bench.broken = false;
  auto again = bench.Snapshot();
  REQUIRE(again.ok());
  CHECK(bench.Read(*again, "a") == "first");
  CHECK(bench.sent_bytes == everything);
}

TEST_CASE("two builds at once do not take the same tree") {
  Bench bench;
  bench.Write("a", "first");
  REQUIRE(bench.Snapshot().ok());
  // The first one stands still inside its transfer while the second one runs from beginning to end.
  Guarded<int> stage;
  int transfers = 0;
  bench.hold = [&] {
    if (transfers++ > 0) return;
    stage.Change([](int& s) { s = 1; });
    stage.Wait([](int& s) { return s == 2; });
  };
  absl::StatusOr<cache::ImmutablePtr> slow = cache::ImmutablePtr();
  std::thread first([&] { slow = bench.Snapshot(); });
  stage.Wait([](int& s) { return s == 1; });
  auto fast = bench.Snapshot();
  stage.Change([](int& s) { s = 2; });
  first.join();
  REQUIRE(slow.ok());
  REQUIRE(fast.ok());
  CHECK((*slow)->Id() != (*fast)->Id());
  CHECK(bench.Read(*slow, "a") == "first");
  CHECK(bench.Read(*fast, "a") == "first");
}

TEST_CASE("a metadata-only transfer brings the list and the excepted files") {
  Bench bench;
  bench.Write("a", "first");
  bench.Write("b", "second");
  auto ref = bench.Snapshot({{"local.metadatatransfer", "true"}, {"local.metadatatransferexclude", "[\"b\"]"}});
  REQUIRE_MESSAGE(ref.ok(), Message(ref.status()));
  CHECK(bench.Read(*ref, "a") == "(missing)");
  CHECK(bench.Read(*ref, "b") == "second");
  CHECK(bench.Read(*ref, ".fsutil-metadata") != "(missing)");
}

TEST_CASE("the key of a local source is random: it names the session") {  // SRC-031
  Bench bench;
  auto instance = bench.source->Resolve({"local://context", {}, {}});
  REQUIRE(instance.ok());
  auto key = (*instance)->CacheKey(CancelToken::Never(), bench.context, 0);
  REQUIRE(key.ok());
  CHECK(key->key.starts_with("session:context:sha256:"));
}

}  // namespace
}  // namespace bk::source
