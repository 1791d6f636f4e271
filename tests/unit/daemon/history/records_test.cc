#include "daemon/history/records.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/history/records_fixture.h"

using namespace bk;
using namespace bk::history;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::string Joined(const std::vector<std::string>& refs) {
  std::string out;
  for (const std::string& ref : refs) out += ref + " ";
  return out;
}

}  // namespace

TEST_CASE("records are there again after a restart, by ref, with their blobs") {  // ATT-039
  RecordsFixture f;
  f.Put("b");
  f.Put("a");
  f.Restart();
  CHECK(f.Refs() == "a b ");
  CHECK(f.records->Find("a")->logs().digest() == DigestOf("log of a").str());
  CHECK(f.records->Find("c").status().code() == absl::StatusCode::kNotFound);
  REQUIRE(f.manager().Prune(f.cancel, {{.all = true}}, [](const cache::UsageRecord&) {}).ok());
  CHECK(f.HasBlob("log of a"));
}

TEST_CASE("crash: a record is there whole or not at all") {
  RecordsFixture f;
  f.records.reset();
  f.Crash([](cache::StoreFixture& c) {
    auto& crashed = static_cast<RecordsFixture&>(c);
    crashed.OpenRecords();
    crashed.Put("whole");
    crashed.Blob("log of half");  // the record did not come to it
  });
  f.Restart();
  CHECK(f.Refs() == "whole ");
  CHECK(f.HasBlob("log of whole"));
  CHECK_FALSE(f.HasBlob("log of half"));
}

TEST_CASE("leases without a record go at the next start, and so do records without their blobs") {
  RecordsFixture f;
  f.Put("kept");
  f.Put("robbed");
  REQUIRE(f.store->leases().Keep("history/nobody", DigestOf("x")).ok());
  REQUIRE(f.store->content().Remove(DigestOf("log of robbed")).ok());
  f.Restart();
  CHECK(f.Refs() == "kept ");
  auto leases = f.store->leases().List("history/");
  CHECK(leases.size() == 1);
  CHECK(leases.contains("history/kept"));
}

TEST_CASE("a removed record takes its own blobs along, not those that another one has too") {
  RecordsFixture f;
  auto error = f.Blob("the same error");
  for (const char* ref : {"a", "b"}) {
    Record record = f.Ended(ref, 1);
    *record.mutable_externalerror() = error;
    REQUIRE(f.records->Put(record).ok());
  }
  CHECK(*f.records->Remove("a"));
  CHECK_FALSE(*f.records->Remove("a"));
  CHECK_FALSE(f.HasBlob("log of a"));
  CHECK(f.HasBlob("the same error"));
  CHECK(*f.records->Remove("b"));
  CHECK_FALSE(f.HasBlob("the same error"));
  CHECK(f.Refs().empty());
}

TEST_CASE("a record keeps the documents of its results, not their layers") {  // ATT-030
  RecordsFixture f;
  auto config = f.Blob("{}", "application/vnd.oci.image.config.v1+json");
  auto layer = f.Blob("layer"), attestation = f.Blob("{\"predicate\":1}", "application/vnd.in-toto+json");
  auto entry = [](const auto& d) { return StrCat(R"({"mediaType":)", Quote(d.media_type()), R"(,"digest":)", Quote(d.digest()), R"(,"size":)", d.size(), "}"); };
  auto manifest = f.Blob(StrCat(R"({"config":)", entry(config), R"(,"layers":[)", entry(layer), ",", entry(attestation), "]}"), "application/vnd.oci.image.manifest.v1+json");
  auto index = f.Blob(StrCat(R"({"manifests":[)", entry(manifest), R"(,7,{"digest":"no"}]})"), "application/vnd.oci.image.index.v1+json");
  Record record = f.Ended("a", 1);
  (*record.mutable_result()->mutable_results())[0] = index;
  (*record.mutable_results())["linux/arm64"].add_attestations()->set_digest(DigestOf("gone").str());
  REQUIRE(f.records->Put(record).ok());
  std::set<Digest> kept = f.store->leases().List("history/")["history/a"];
  CHECK(kept.size() == 5);
  for (const auto& one : {config, attestation, manifest, index}) CHECK(kept.contains(*Digest::Parse(one.digest())));
  CHECK_FALSE(kept.contains(*Digest::Parse(layer.digest())));
}

TEST_CASE("a record is changed in place; one that is not there cannot be") {  // ATT-035
  RecordsFixture f;
  f.Put("a");
  auto changed = f.records->Update("a", [](Record& r) { r.set_pinned(true); });
  REQUIRE(changed.ok());
  CHECK(changed->pinned());
  f.Restart();
  CHECK(f.records->Find("a")->pinned());
  CHECK(Message(f.records->Update("b", [](Record&) {}).status()) == "failed to retrieve ref b: file does not exist");
}

TEST_CASE("only what is beyond both limits expires, and nothing that is pinned") {  // DMN-065, trap 11
  RecordsFixture f({.max_age_ns = 100 * kSecond, .max_entries = 2});
  for (int64_t second : {10, 20, 30, 40}) f.Put("at" + std::to_string(second), second);
  CHECK(Joined(f.records->Expired(100 * kSecond)).empty());              // too many, but young
  CHECK(Joined(f.records->Expired(125 * kSecond)) == "at20 at10 ");      // old ones beyond the newest two
  CHECK(Joined(f.records->Expired(int64_t{1000} * kSecond)) == "at20 at10 ");  // the newest two stay, however old
  REQUIRE(f.records->Update("at20", [](Record& r) { r.set_pinned(true); }).ok());
  CHECK(Joined(f.records->Expired(125 * kSecond)) == "at10 ");
  f.Restart();
  CHECK(Joined(f.records->Expired(125 * kSecond)) == "at10 ");
}

TEST_CASE("beyond the most entries young ones go too") {
  RecordsFixture f({.max_age_ns = 100 * kSecond, .max_entries = 1, .most_entries = 2});
  for (int64_t second : {10, 20, 30}) f.Put("at" + std::to_string(second), second);
  CHECK(Joined(f.records->Expired(31 * kSecond)) == "at10 ");
}

TEST_CASE("limits of nothing let everything go") {
  RecordsFixture f({.max_age_ns = 0, .max_entries = 0});
  f.Put("a", 10);
  CHECK(Joined(f.records->Expired(11 * kSecond)) == "a ");
}
