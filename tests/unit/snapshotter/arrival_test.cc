#include "snapshotter/content/arrival.h"

#include <doctest/doctest.h>

#include <thread>

#include "base/os/file.h"
#include "snapshotter/content/content_store.h"

namespace bk::content {
namespace {

struct Fixture {
  os::TempDir dir = *os::TempDir::Make("arrival-test-");
  std::unique_ptr<ContentStore> store = *ContentStore::Open(dir.path());
  std::shared_ptr<Arrival> arrival = std::make_shared<Arrival>();
  // More than an ingest holds back.
  std::string bytes = std::string(700'000, 'x') + "end";

  Ingest Begin() { return *store->NewIngest(arrival); }
  // All that can be read, and how it ended.
  std::pair<std::string, absl::Status> ReadAll() {
    std::string all, buffer(100'000, '\0');
    while (true) {
      auto n = arrival->Read(buffer.data(), buffer.size());
      if (!n.ok()) return {all, n.status()};
      if (*n == 0) return {all, absl::OkStatus()};
      all.append(buffer, 0, *n);
    }
  }
};

TEST_CASE("arrival: what was written is read before the blob is whole, the end after its commit") {
  Fixture f;
  Ingest ingest = f.Begin();
  REQUIRE(ingest.Write(f.bytes).ok());
  REQUIRE(f.arrival->Await());
  std::string buffer(f.bytes.size(), '\0');
  CHECK(f.arrival->Read(buffer.data(), 1000).value_or(0) == 1000);
  std::pair<std::string, absl::Status> rest;
  std::thread reader([&] { rest = f.ReadAll(); });
  REQUIRE(ingest.Write("behind").ok());
  REQUIRE(ingest.Commit(DigestOf(f.bytes + "behind"), -1).ok());
  reader.join();
  CHECK(rest.second.ok());
  CHECK(std::string(1000, 'x') + rest.first == f.bytes + "behind");
}

TEST_CASE("arrival: bytes of another digest have no end") {
  Fixture f;
  std::pair<std::string, absl::Status> read;
  std::thread reader;
  {
    Ingest ingest = f.Begin();
    REQUIRE(ingest.Write(f.bytes).ok());
    reader = std::thread([&] { read = f.ReadAll(); });
    CHECK_FALSE(ingest.Commit(DigestOf("other"), -1).ok());
  }
  f.arrival->Close();
  reader.join();
  CHECK(read.second.code() == absl::StatusCode::kAborted);
}

TEST_CASE("arrival: a blob that begins anew is read if nothing of the first try was, else not") {
  Fixture f;
  { Ingest first = f.Begin(); }
  {
    Ingest second = f.Begin();
    REQUIRE(second.Write(f.bytes).ok());
    REQUIRE(second.Commit(DigestOf(f.bytes), -1).ok());
  }
  f.arrival->Close();
  CHECK(f.ReadAll().first == f.bytes);

  Fixture g;
  char one;
  {
    Ingest first = g.Begin();
    REQUIRE(first.Write(g.bytes).ok());
    CHECK(g.arrival->Read(&one, 1).value_or(0) == 1);
  }
  Ingest second = g.Begin();
  REQUIRE(second.Write(g.bytes).ok());
  REQUIRE(second.Commit(DigestOf(g.bytes), -1).ok());
  CHECK(g.ReadAll().second.code() == absl::StatusCode::kAborted);
}

TEST_CASE("arrival: nothing came, or nobody wants it any more") {
  Fixture f;
  f.arrival->Close();
  CHECK_FALSE(f.arrival->Await());
  Fixture g;
  Ingest ingest = g.Begin();
  REQUIRE(ingest.Write(g.bytes).ok());
  std::thread reader([&] { CHECK(g.ReadAll().second.code() == absl::StatusCode::kAborted); });
  g.arrival->Abandon();
  reader.join();
  CHECK(ingest.Commit({}, -1).ok());
  CHECK(g.ReadAll().second.code() == absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace bk::content
