#include <doctest/doctest.h>

#include "daemon/frontend/dockerfile/frontend.h"
#include "daemon/frontend/dockerfile/parse/parser.h"
#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/unit/daemon/frontend/dockerfile/file_bridge.h"

using namespace bk;

namespace {

bool SupportsAll(std::string_view) { return true; }

absl::StatusOr<frontend::Result> Build(const std::string& text, const std::map<std::string, std::string>& opts = {}, const std::string& onbuild = "") {
  FileBridge bridge(text, onbuild);
  return dockerfile::DockerfileFrontend(&SupportsAll).Solve(CancelToken::Never(), bridge, opts, {});
}

std::string Repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; i++) out += text;
  return out;
}

}  // namespace

TEST_CASE("hostile files end in an error or a result, never in a crash") {
  CHECK_FALSE(Build("FROM a\nRUN <<EOF\n" + Repeat("x\n", 100000)).ok());
  CHECK_FALSE(Build(std::string("FROM a\nRUN ") + std::string(1 << 20, 'x')).ok());
  CHECK_FALSE(Build("FROM a\nENV X=" + Repeat("${a:-", 10000) + Repeat("}", 10000)).ok());
  CHECK_FALSE(Build("FROM a\n" + Repeat("ONBUILD ", 8000) + "RUN x").ok());
  CHECK(Build("FROM a\nCMD " + Repeat("[", 60000)).ok());  // no JSON, so a command for the shell
  CHECK(Build("FROM a\nRUN a\\\n" + Repeat("b\\\n", 50000) + "c\n").ok());
  CHECK(Build(std::string("\xef\xbb\xbf") + "FROM a\r\nRUN x\r\n").ok());
}

TEST_CASE("variables that double each other do not eat the memory") {
  std::string text = "FROM a\nENV V0=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
  for (int i = 1; i < 40; i++) text += "ENV V" + std::to_string(i) + "=$V" + std::to_string(i - 1) + "$V" + std::to_string(i - 1) + "\n";
  auto result = Build(text);
  REQUIRE_FALSE(result.ok());
  CHECK(Message(result.status()).find("expanded text is larger than") != std::string::npos);
}

TEST_CASE("a chain of 20,000 stages is resolved without recursion") {
  std::string text = "FROM a AS s0\n";
  for (int i = 1; i < 20000; i++) text += "FROM s" + std::to_string(i - 1) + " AS s" + std::to_string(i) + "\n";
  CHECK(Build(text).ok());
}

TEST_CASE("an image whose trigger copies from itself is built once") {
  CHECK(Build("FROM a\nRUN x\n", {}, "COPY --from=a /x /y").ok());
}

TEST_CASE("stages that copy from each other are refused with both places") {
  auto result = Build("FROM a AS x\nCOPY --from=y / /\nFROM a AS y\nCOPY --from=x / /\n");
  REQUIRE_FALSE(result.ok());
  CHECK(Details(result.status()).size() == 2);
}

TEST_CASE("an image in place of a named one is what the stage starts from") {
  auto result = Build("FROM a\nRUN x\n", {{"context:a", "docker-image://other"}});
  REQUIRE(result.ok());
  CHECK(result->ref->definition().def(0).find("docker.io/library/other:latest") != std::string::npos);
}

TEST_CASE("results of other frontends stand for images, the context and the Dockerfile") {
  auto first = Build("FROM a\nRUN x\n");
  REQUIRE(first.ok());
  auto definition = std::make_shared<const pb::Definition>(first->ref->definition());
  auto build = [&](const std::string& text, std::map<std::string, std::string> opts) {
    FileBridge bridge(text);
    return dockerfile::DockerfileFrontend(&SupportsAll).Solve(CancelToken::Never(), bridge, opts, {{"base", definition}, {"context", definition}, {"empty", std::make_shared<const pb::Definition>()}});
  };
  std::string config = R"({"config":{"Env":["FOO=bar"]},"architecture":"amd64","os":"linux"})";
  auto second = build("FROM base\nRUN y\n", {{"context:base", "input:base"}, {"input-metadata:base", R"({"containerimage.config":")" + Base64Encode(config) + R"("})"}});
  REQUIRE(second.ok());
  const pb::Definition& made = second->ref->definition();
  REQUIRE(made.def_size() == 4);  // image, x, y, last
  for (int i = 0; i < 2; i++) CHECK(made.def(i) == definition->def(i));
  pb::Op op;
  REQUIRE(op.ParseFromString(made.def(2)));
  CHECK(std::count(op.exec().meta().env().begin(), op.exec().meta().env().end(), "FOO=bar") == 1);
  CHECK(second->metadata["containerimage.config"].find("FOO=bar") != std::string::npos);
  CHECK(build("FROM scratch\nCOPY f /\n", {})->ref->definition().def(0) == definition->def(0));
  CHECK(Message(build("FROM base\n", {{"context:base", "input:empty"}}).status()) == "invalid nil input definition to definition op");
  CHECK(Message(build("FROM base\n", {{"context:base", "input:nosuch"}}).status()) == "invalid input nosuch for base");
  CHECK(Message(build("FROM base\n", {{"context:base", "input:base"}, {"input-metadata:base", "{"}}).status()) == "failed to parse image config for base: failed to parse input metadata {");
}

TEST_CASE("a policy may put a directory in the place of a named context's image, but not in a circle") {
  FileBridge bridge("FROM base\nRUN x\n");
  auto build = [&](const std::string& answer) {
    bridge.answered = answer;
    return dockerfile::DockerfileFrontend(&SupportsAll).Solve(CancelToken::Never(), bridge, {{"context:base", "docker-image://b"}}, {});
  };
  auto result = build("local://dir");
  REQUIRE(result.ok());
  CHECK(result->ref->definition().def(0).find("local://dir") != std::string::npos);
  CHECK(Message(build("docker-image://b").status()).starts_with("context recursion limit exceeded; this may indicate a cycle in the provided source policies"));
}

TEST_CASE("what is not supported says so") {
  CHECK(Build("FROM a\n", {{"attest:sbom", ""}}).status().code() == absl::StatusCode::kUnimplemented);
}
