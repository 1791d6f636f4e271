#include <doctest/doctest.h>

#include "client/cli/error_report.h"
#include "client/cli/metadata_file.h"

using namespace bk::client;

TEST_CASE("a snippet shows the blamed lines with their neighbours") {
  std::string one = R"({"info":{"filename":"Dockerfile","data":"RlJPTSBhClJVTiBiCg=="},"ranges":[{"start":{"line":2},"end":{"line":2}}]})";
  CHECK(SourceSnippet(one) == "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN b\n   3 |     \n--------------------\n");
}

TEST_CASE("details that are no snippet print nothing") {
  CHECK(SourceSnippet("nonsense").empty());
  CHECK(SourceSnippet(R"({"info":{"filename":"f","data":"!"},"ranges":[{"start":{"line":1}}]})").empty());
  CHECK(SourceSnippet(R"({"info":{"filename":"f","data":"YQ=="},"ranges":[{"start":{"line":9}}]})").empty());
  CHECK(SourceSnippet(R"({"info":{"filename":7,"data":"YQ=="},"ranges":[{"start":{"line":1}}]})").empty());
  CHECK(SourceSnippet(R"({"info":{"filename":"f","data":"YQ=="},"ranges":[{"start":{"line":"x"}}]})").empty());
}

TEST_CASE("a daemon that is not there is told how to have one") {
  std::string hint = HintFor(bk::Unavailable("listing workers: connection error: desc = \"transport: Error while dialing: dial unix /run/x: connect: no such file or directory\""));
  for (const char* way : {"buildkitd", "--daemonless", "--addr", "BUILDKIT_HOST"}) CHECK(hint.find(way) != std::string::npos);
  CHECK(HintFor(bk::Unknown("exit code: 1")).empty());
}

TEST_CASE("metadata: base64 of an object becomes the object, everything else stays text") {
  CHECK(MetadataJson({{"a", "eyJiIjoiPCJ9"}, {"e", "e30="}, {"l", "WzFd"}, {"t", "<"}}) ==
        "{\n  \"a\": {\n    \"b\": \"\\u003c\"\n  },\n  \"e\": \"e30=\",\n  \"l\": \"WzFd\",\n  \"t\": \"\\u003c\"\n}");
}
