// Only what the target needs is asked for, once, and side by side (DFE-061).
#include <doctest/doctest.h>

#include <algorithm>

#include "base/guarded.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "tests/unit/daemon/frontend/dockerfile/file_bridge.h"

using namespace bk;

namespace {

// Counts the questions; answers only when `together` of them wait.
class CountingBridge final : public FileBridge {
 public:
  CountingBridge(std::string text, int together) : FileBridge(std::move(text)), together_(together) {}
  absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken& cancel, const std::string& ref, const ResolveOptions& options) override {
    std::string platform = options.platform ? FormatPlatform(*options.platform) : "";
    asked.Change([&](auto& list) { list.push_back(ref.substr(ref.rfind('/') + 1) + " " + platform); });
    asked.WaitThen([&](const auto& list) { return static_cast<int>(list.size()) >= together_; }, [](const auto&) { return true; });
    return FileBridge::ResolveImageConfig(cancel, ref, options);
  }
  std::vector<std::string> Asked() {
    std::vector<std::string> out = asked.With([](const auto& list) { return list; });
    std::sort(out.begin(), out.end());
    return out;
  }
  Guarded<std::vector<std::string>> asked;

 private:
  const int together_;
};

absl::StatusOr<frontend::Result> Solve(CountingBridge& bridge, const std::map<std::string, std::string>& opts = {}) {
  return dockerfile::DockerfileFrontend([](std::string_view) { return true; }).Solve(CancelToken::Never(), bridge, opts, {});
}

constexpr char kText[] =
    "FROM one AS a\nRUN x\nFROM two AS b\nRUN y\nFROM unused AS c\nRUN z\nFROM one AS d\nCOPY --from=a / /a\nCOPY --from=b / /b\nCOPY --from=three / /c\nRUN --mount=from=two,target=/m x\n";

}  // namespace

TEST_CASE("base images of the target's stages are asked for once each, at the same time") {  // DFE-061
  CountingBridge bridge(kText, 3);
  REQUIRE(Solve(bridge, {{"platform", "linux/amd64"}}).ok());
  CHECK(bridge.Asked() == std::vector<std::string>{"one:latest linux/amd64", "three:latest linux/amd64", "two:latest linux/amd64"});
}

TEST_CASE("another target asks for its own images alone") {
  CountingBridge bridge(kText, 1);
  REQUIRE(Solve(bridge, {{"platform", "linux/amd64"}, {"target", "c"}}).ok());
  CHECK(bridge.Asked() == std::vector<std::string>{"unused:latest linux/amd64"});
}

TEST_CASE("an image is asked for once a platform, and one that is always the builder's once in all") {
  CountingBridge bridge("FROM --platform=$BUILDPLATFORM one AS a\nRUN x\nFROM two\nCOPY --from=a / /\n", 1);
  REQUIRE(Solve(bridge, {{"platform", "linux/amd64,linux/arm64"}}).ok());
  std::vector<std::string> asked = bridge.Asked();
  CHECK(asked.size() == 3);
  CHECK(std::count_if(asked.begin(), asked.end(), [](const std::string& one) { return one.starts_with("one:latest"); }) == 1);
}
