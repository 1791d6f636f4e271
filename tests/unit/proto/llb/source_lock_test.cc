#include "proto/llb/source_lock.h"

#include <doctest/doctest.h>

#include "base/digest.h"

using namespace bk;
using namespace bk::llb;

namespace {

const std::string kA = DigestOf("a").str(), kB = DigestOf("b").str(), kCommit(40, 'c');
constexpr char kImage[] = "docker-image://docker.io/library/base:1";

std::string Wrong(const std::string& text) { return Message(SourceLock::Parse(text).status()); }

}  // namespace

TEST_CASE("a lock file is the same text however its sources came, and reads back") {
  SourceLock lock;
  REQUIRE(lock.Add("https://host/f?a=1&b=2", kA, "").ok());
  REQUIRE(lock.Add(kImage, kA, "linux/arm64").ok());
  REQUIRE(lock.Add("git://host/r.git#main", kCommit, "").ok());
  REQUIRE(lock.Add(kImage, kA, "linux/amd64").ok());
  SourceLock other;
  REQUIRE(other.Add(kImage, kA, "linux/amd64").ok());
  REQUIRE(other.Add(kImage, kA, "linux/arm64").ok());
  REQUIRE(other.Add("git://host/r.git#main", kCommit, "").ok());
  REQUIRE(other.Add("https://host/f?a=1&b=2", kA, "").ok());
  CHECK(lock.Text() == other.Text());
  CHECK(lock.Text().starts_with("{\n  \"version\": 1,\n  \"sources\": [\n    {\n      \"source\": \"docker-image://"));
  CHECK(lock.Text().find("?a=1&b=2") != std::string::npos);
  auto again = SourceLock::Parse(lock.Text());
  REQUIRE(again.ok());
  CHECK(again->Text() == lock.Text());
  CHECK(again->Find(kImage)->platforms == std::set<std::string>{"linux/amd64", "linux/arm64"});
  CHECK(SourceLock().Text() == "{\n  \"version\": 1,\n  \"sources\": []\n}\n");
}

TEST_CASE("a source that changed during the build has no value") {
  SourceLock lock;
  REQUIRE(lock.Add(kImage, kA, "").ok());
  CHECK(Message(lock.Add(kImage, kB, "")) == StrCat(kImage, " resolved to ", kA, " and to ", kB, " within one build: it changed meanwhile (build again)"));
}

TEST_CASE("an image that is named with its digest is found by its name, if that is the digest") {
  SourceLock lock;
  REQUIRE(lock.Add(kImage, kA, "").ok());
  CHECK(lock.Find(StrCat(kImage, "@", kA)) != nullptr);
  CHECK(lock.Find(StrCat(kImage, "@", kB)) == nullptr);
  CHECK(lock.Find("docker-image://docker.io/library/base:2") == nullptr);
  REQUIRE(lock.Add(StrCat(kImage, "@", kB), kB, "").ok());
  REQUIRE(lock.Add(StrCat(kImage, "@", kA), kA, "linux/amd64").ok());
  lock.Fold();
  CHECK(lock.sources().size() == 2);
  CHECK(lock.sources().at(kImage).platforms.size() == 1);
  CHECK(lock.Find(StrCat(kImage, "@", kB)) != nullptr);
}

TEST_CASE("what is no lock file is told why") {
  CHECK(Wrong("nonsense") == "lock file is no JSON object");
  CHECK(Wrong("{}") == "lock file has no version");
  CHECK(Wrong(R"({"version":2,"sources":[]})") == "lock file has version 2, this program knows 1");
  CHECK(Wrong(R"({"version":1})") == "lock file has no list of sources");
  CHECK(Wrong(R"({"version":1,"sources":[{"source":"x"}]})") == "lock file: a source without \"resolved\"");
  CHECK(Wrong(R"({"version":1,"sources":[{"source":"https://h/","resolved":"abc"}]})") == "lock file: \"https://h/\" resolved to \"abc\", which is no digest");
  CHECK(Wrong(R"({"version":1,"sources":[{"source":"git://h/r","resolved":"main"}]})") == "lock file: \"git://h/r\" resolved to \"main\", which is no commit");
  std::string entry = StrCat(R"({"source":"https://h/","resolved":")", kA, "\"}");
  CHECK(Wrong(StrCat(R"({"version":1,"sources":[)", entry, ",", entry, "]}")) == "lock file: \"https://h/\" is there twice");
  CHECK(Wrong(StrCat(R"({"version":1,"sources":[{"source":"https://h/","resolved":")", kA, R"(","platforms":["??"]}]})")) != "");
}

TEST_CASE("only what comes from the outside is locked, and without passwords") {
  for (const char* outside : {"docker-image://docker.io/library/a:1", "git://h/r#main", "http://h/f", "https://h/f", "http://buildkit-sessions/f"}) {
    CAPTURE(outside);
    CHECK(IsOutside(outside));
  }
  for (const char* inside : {"local://context", "oci-layout://x@sha256:1", "http://buildkit-session/id", "http://buildkit-session"}) {
    CAPTURE(inside);
    CHECK_FALSE(IsOutside(inside));
  }
  CHECK(LockName("https://user:secret@h/f") == "https://xxxxx:xxxxx@h/f");
  CHECK(LockName(kImage) == kImage);
}
