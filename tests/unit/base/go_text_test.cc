#include <doctest/doctest.h>

#include "base/go_parse.h"
#include "base/path.h"
#include "base/reference.h"
#include "base/suggest.h"
#include "base/unicode.h"

using namespace bk;

TEST_CASE("paths are cleaned as Go's path package does") {  // INF-013
  CHECK(CleanPath("") == ".");
  CHECK(CleanPath("/../a//b/./c/..") == "/a/b");
  CHECK(CleanPath("../../a/../..") == "../../..");
  CHECK(CleanPath("a/../..") == "..");
  CHECK(JoinPath("", "a", "", "/b/") == "a/b");
  CHECK(JoinPath("", "") == "");
}

TEST_CASE("numbers carry Go's errors") {
  CHECK(*ParseInt("-9223372036854775808") == INT64_MIN);
  CHECK(Message(ParseInt("9223372036854775808").status()) == "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
  CHECK(Message(ParseUint("8", 8).status()) == "strconv.ParseUint: parsing \"8\": invalid syntax");
  CHECK(*ParseInt("2147483647", 10, 32) == 2147483647);
  CHECK_FALSE(ParseInt("2147483648", 10, 32).ok());
}

TEST_CASE("durations go both ways") {
  CHECK(*ParseDurationNs("1h2m3.5s") == 3723500000000);
  CHECK(FormatDuration(3723500000000) == "1h2m3.5s");
  CHECK(FormatDuration(1500000) == "1.5ms");
  CHECK(FormatDuration(60000000000) == "1m0s");
  CHECK(FormatDuration(0) == "0s");
  CHECK_FALSE(ParseDurationNs("5").ok());
}

TEST_CASE("a quoted CSV field may hold commas and doubled quotes") {  // INF-022
  CHECK(*ParseCsvLine("a,\"b,\"\"c\"\"\",") == std::vector<std::string>{"a", "b,\"c\"", ""});
  CHECK_FALSE(ParseCsvLine("a\"b").ok());
  CHECK(Message(ParseCsvLine("").status()) == "EOF");
}

TEST_CASE("image names are completed with docker.io and library") {
  CHECK(ImageReference::Parse("alpine")->WithDefaultTag().str() == "docker.io/library/alpine:latest");
  CHECK(ImageReference::Parse("localhost/a:1")->str() == "localhost/a:1");
  CHECK(ImageReference::Parse("docker.io/library/alpine:3")->familiar() == "alpine:3");
  CHECK_FALSE(ImageReference::Parse("a//b").ok());
}

TEST_CASE("only near words are suggested") {
  std::vector<std::string> options = {"build", "test"};
  CHECK(Suggest("biuld", options, true) == "build");
  CHECK(Suggest("zzz", options, true) == "");
  CHECK(Suggest("test", options, true) == "");
}

TEST_CASE("bytes that are no UTF-8 count as one replacement rune each") {
  CHECK(DecodeRune("\xc3").width == 1);
  CHECK(ValidUtf8("a\xff") == "a\xef\xbf\xbd");
  CHECK(TrimSpace(" \xc2\xa0x\xe3\x80\x80") == "x");
  CHECK(Quote("\xff\xc3\xa4\xe2\x80\xa8") == "\"\\xff\xc3\xa4\\u2028\"");
}
