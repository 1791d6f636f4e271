#include <doctest/doctest.h>

#include <thread>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/go_json.h"
#include "base/id.h"
#include "base/semaphore.h"
#include "base/status.h"

using namespace bk;

TEST_CASE("details survive annotation, in order") {
  absl::Status s = NotFound("no ", Quote("x"));
  AddDetail(s, {"errdefs.Vertex", "{}"});
  AddDetail(s, {"errdefs.Source", "{\"a\":1}"});
  s = Annotate(s, "outer");
  CHECK(Message(s) == "outer: no \"x\"");
  REQUIRE(Details(s).size() == 2);
  CHECK(Details(s)[1].json == "{\"a\":1}");
}

TEST_CASE("digest parsing refuses what Go refuses") {
  std::string hex(64, 'a');
  CHECK(Digest::Parse("sha256:" + hex).ok());
  CHECK(Message(Digest::Parse("sha256:" + hex + "a").status()) == "invalid checksum digest length");
  CHECK(Message(Digest::Parse("md5:" + hex).status()) == "unsupported digest algorithm");
  CHECK(Message(Digest::Parse("sha256").status()) == "invalid checksum digest format");
  CHECK(DigestOf("").str() == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("base64 both ways") {
  CHECK(Base64Encode("ab") == "YWI=");
  CHECK(*Base64Decode("YWI=") == "ab");
  CHECK(*Base64Decode("YWI") == "ab");
  CHECK_FALSE(Base64Decode("Y!").ok());
}

TEST_CASE("Go JSON escapes") {
  CHECK(GoJsonString("<a&b>\xe2\x80\xa8\x7f\xff\b") == "\"\\u003ca\\u0026b\\u003e\\u2028\x7f\\ufffd\\b\"");
  CHECK(GoJsonIndent("{\"a\":[],\"b\":[1,2],\"c\":{}}", "  ") == "{\n  \"a\": [],\n  \"b\": [\n    1,\n    2\n  ],\n  \"c\": {}\n}");
}

TEST_CASE("cancelling a parent cancels the child and runs callbacks once") {
  CancelSource parent;
  CancelSource child(parent.token());
  int calls = 0;
  CancelCallback callback(child.token(), [&] { calls++; });
  parent.Cancel();
  parent.Cancel();
  CHECK(calls == 1);
  CHECK(Message(child.token().Check()) == "context canceled");
}

TEST_CASE("a cancelled waiter of a semaphore gets the cause and takes nothing") {
  Semaphore one(1);
  auto held = one.Acquire(CancelToken::Never());
  REQUIRE(held.ok());
  CancelSource source;
  std::thread canceller([&] { source.Cancel(Unavailable("gone")); });
  CHECK(one.Acquire(source.token()).status().code() == absl::StatusCode::kUnavailable);
  canceller.join();
  held->Release();
  CHECK(one.Acquire(CancelToken::Never()).ok());
}

TEST_CASE("ids have 25 characters and differ") {
  CHECK(NewId().size() == 25);
  CHECK(NewId() != NewId());
}
