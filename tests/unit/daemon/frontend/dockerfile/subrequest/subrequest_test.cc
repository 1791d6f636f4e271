#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "daemon/frontend/dockerfile/frontend.h"
#include "tests/unit/daemon/frontend/dockerfile/file_bridge.h"

using namespace bk;

namespace {

bool SupportsAll(std::string_view) { return true; }

struct Asked {
  absl::StatusOr<frontend::Result> result;
  std::vector<solver::WarningEvent> warnings;
  nlohmann::json json() { return nlohmann::json::parse(result->metadata["result.json"]); }
};

Asked Ask(const std::string& id, const std::string& text, std::map<std::string, std::string> opts = {}, const CancelToken& cancel = CancelToken::Never()) {
  FileBridge bridge(text);
  if (!id.empty()) opts["requestid"] = id;
  auto result = dockerfile::DockerfileFrontend(&SupportsAll).Solve(cancel, bridge, opts, {});
  return {std::move(result), std::move(bridge.warnings)};
}

}  // namespace

TEST_CASE("a build warns of what the request for checks finds (DFE-098, DFE-102)") {
  std::string text = "FROM a AS Up\nCMD x\n";
  Asked build = Ask("", text), lint = Ask("frontend.lint", text);
  REQUIRE(build.result.ok());
  REQUIRE(lint.result.ok());
  REQUIRE(build.warnings.size() == 2);
  CHECK(build.warnings[1].short_text.starts_with("JSONArgsRecommended: "));
  CHECK(build.warnings[1].ranges.at(0).start_line == 2);
  CHECK(lint.warnings.empty());
  CHECK(lint.json()["warnings"].size() == 2);
  CHECK(lint.result->metadata["result.statuscode"] == "1");
  CHECK(lint.result->ref == nullptr);
}

TEST_CASE("an answer to the request for checks is no failure, whatever the file is like (DFE-102)") {
  for (std::string text : {"", "NOPE\n", "FROM\n", "FROM a\nCOPY --from=7 a b\n", "# check=error=true\nFROM a\nCMD x\n"}) {
    Asked lint = Ask("frontend.lint", text);
    REQUIRE(lint.result.ok());
    CHECK(lint.json().contains("buildError"));
    CHECK(lint.result->metadata["result.statuscode"] == "1");
  }
}

TEST_CASE("checks look into all stages, or into those that the named target needs (DFE-102)") {
  std::string text = "FROM a AS one\nCMD x\nFROM a AS two\nCMD y\nFROM a AS three\nCMD [\"z\"]\n";
  CHECK(Ask("frontend.lint", text).json()["warnings"].size() == 2);
  CHECK(Ask("frontend.lint", text, {{"target", "two"}}).json()["warnings"].size() == 1);
  CHECK(Ask("", text).warnings.empty());
}

TEST_CASE("a question that nobody knows is named in the detail of the error (DFE-104)") {
  Asked asked = Ask("frontend.nosuch", "FROM a\n");
  CHECK(Message(asked.result.status()) == "unsupported request frontend.nosuch");
  CHECK(HasDetail(asked.result.status(), "errdefs.Subrequest"));
}

TEST_CASE("an outline names what the target and its stages take, in the order of the file (DFE-100)") {
  Asked asked = Ask("frontend.outline",
                    "ARG BASE=a\nARG TAG\nFROM $BASE AS tools\nRUN --mount=type=secret,id=key,required x\nFROM a AS other\nARG NOT\n"
                    "# out what ships\nFROM $BASE AS out\nARG MODE=fast\nRUN --mount=type=ssh x\nCOPY --from=tools a b\n");
  REQUIRE(asked.result.ok());
  CHECK(asked.result->metadata["result.txt"] ==
        "TARGET:      out\nDESCRIPTION: what ships\n\n"
        "BUILD ARG   VALUE   DESCRIPTION\nBASE        a       \nMODE        fast    \n\n"
        "SECRET   REQUIRED\nkey      true\n\nSSH       REQUIRED\ndefault   \n\n");
}

TEST_CASE("an outline of stages that branch and join again is made in one visit a stage (DFE-100)") {
  std::string text = "FROM a AS s0\nARG A\n";
  for (int i = 1; i < 200; i++) {
    std::string before = std::to_string(i - 1);
    text += "FROM s" + before + " AS s" + std::to_string(i) + "\nCOPY --from=s" + before + " a b\nRUN --mount=from=s" + before + ",target=/x y\n";
  }
  Asked asked = Ask("frontend.outline", text);
  REQUIRE(asked.result.ok());
  CHECK(asked.json()["args"].size() == 1);
}

TEST_CASE("the answer to a file that is all mistakes is of bounded size, and comes at once when nobody waits for it") {
  std::string text = "FROM a\n", mistake = "ENV A=$" + std::string(2000, 'x') + "\n";
  for (int i = 0; i < 2200; i++) text += mistake;
  Asked lint = Ask("frontend.lint", text);
  REQUIRE(lint.result.ok());
  CHECK(lint.result->metadata["result.json"].size() < (12u << 20) + 4 * text.size() / 3);
  CHECK(lint.result->metadata["result.txt"].size() < (5u << 20));
  Asked build = Ask("", text);
  REQUIRE(build.result.ok());
  size_t source_bytes = 0;
  for (const auto& warning : build.warnings) source_bytes += warning.source_info.size();
  CHECK(source_bytes <= (16u << 20));
  CancelSource cancel;
  cancel.Cancel();
  CHECK(Ask("frontend.lint", "FROM a\n", {}, cancel.token()).result.status().code() == absl::StatusCode::kCancelled);
}
