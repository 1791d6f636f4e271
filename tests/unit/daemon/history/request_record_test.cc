#include "daemon/history/request_record.h"

#include <doctest/doctest.h>

using bk::history::WithoutSecrets;

namespace {

std::string Shown(const std::string& key, const std::string& value) { return WithoutSecrets({{key, value}}).at(key); }

}  // namespace

TEST_CASE("credentials in URLs are hidden wherever they stand") {  // ATT-029, hostile 34
  CHECK(Shown("context", "https://user:pass@example.com/r.git#main") == "https://xxxxx:xxxxx@example.com/r.git#main");
  CHECK(Shown("context", "https://ghp_token@example.com/r.git") == "https://xxxxx@example.com/r.git");
  CHECK(Shown("build-arg:MIRROR", "a http://u:p@one/ and ftp://u:p@two/x") == "a http://xxxxx:xxxxx@one/ and ftp://xxxxx:xxxxx@two/x");
  CHECK(Shown("build-arg:ODD", "https://u:p@ss@host/") == "https://xxxxx:xxxxx@host/");
}

TEST_CASE("what only looks like it stays") {
  for (const char* text : {"ssh://git@example.com/r.git", "https://example.com/a@b", "git@github.com:a/b", "https://", "://@", "a@b", "https://h?u=a:b@c"}) CHECK(Shown("context", text) == text);
}

TEST_CASE("what a frontend was asked for") {
  CHECK(bk::history::RequestOptions({{"platform", "linux/arm64,linux/amd64"}, {"label:b", "<1>"}, {"label:a", "2"}, {"requestid", "r"}, {"other", "x"}}) ==
        R"({"Platforms":["linux/arm64","linux/amd64"],"Labels":{"a":"2","b":"\u003c1\u003e"},"Request":"r"})");
  CHECK(bk::history::RequestOptions({}).starts_with(R"({"Platforms":["linux/)"));
}

TEST_CASE("keys and tokens of cache backends are hidden") {
  CHECK(Shown("cache-imports", R"([{"Type":"s3","Attrs":{"bucket":"b","secret_access_key":"s"}},{"Type":"gha","Attrs":{"token":"t"}}])") ==
        R"([{"Type":"s3","Attrs":{"bucket":"b","secret_access_key":"xxxxx"}},{"Type":"gha","Attrs":{"token":"xxxxx"}}])");
  CHECK(Shown("cache-imports", R"([ {"Type":"registry","Attrs":{"ref":"a/b"}} ])") == R"([ {"Type":"registry","Attrs":{"ref":"a/b"}} ])");
  CHECK(Shown("cache-imports", "not json") == "not json");
  CHECK(Shown("secret_access_key", "s") == "xxxxx");
}
