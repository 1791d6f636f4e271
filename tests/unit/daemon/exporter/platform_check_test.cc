#include "daemon/exporter/platform_check.h"

#include <doctest/doctest.h>

namespace bk::exporter {
namespace {

std::string Warnings(const std::string& requested, const std::vector<std::string>& made, bool is_map) {
  Result result;
  std::string list;
  for (const std::string& text : made) {
    Platform p = *ParsePlatform(text);
    list += StrCat(list.empty() ? "" : ",", "{\"ID\":", Quote(text), ",\"Platform\":{\"os\":", Quote(p.os), ",\"architecture\":", Quote(p.architecture), ",\"variant\":", Quote(p.variant), "}}");
    if (is_map) result.refs[text] = nullptr;
  }
  result.metadata[kPlatformsKey] = StrCat("{\"Platforms\":[", list, "]}");
  auto warnings = CheckPlatforms(requested, result);
  if (!warnings.ok()) return Message(warnings.status());
  std::string out;
  for (const std::string& warning : *warnings) out += StrCat(out.empty() ? "" : "; ", warning);
  return out;
}

}  // namespace

TEST_CASE("platform check: what was asked for is fine in any order and spelling") {
  CHECK(Warnings("linux/amd64", {"linux/amd64"}, true) == "");
  CHECK(Warnings("linux/arm64/v8,amd64", {"linux/amd64", "linux/arm64"}, true) == "");
}

TEST_CASE("platform check: anything else is named") {
  CHECK(Warnings("linux/arm64", {"linux/amd64"}, true) == "Requested platform \"linux/arm64\" does not match result platform \"linux/amd64\"");
  CHECK(Warnings("linux/arm64,linux/amd64", {"linux/amd64"}, false) == "Multiple platforms requested but result is not multi-platform");
  CHECK(Warnings("linux/s390x,linux/amd64", {"linux/amd64", "linux/arm64"}, true) == "Requested platforms linux/amd64,linux/s390x do not match result platforms linux/amd64,linux/arm64");
  CHECK(Warnings("linux/amd64,linux/amd64", {"linux/amd64"}, true) == "Duplicate platform result requested \"linux/amd64\"");
  CHECK(Warnings("a/b/c/d", {"linux/amd64"}, true).starts_with("Invalid platform result requested \"a/b/c/d\": "));
}

TEST_CASE("platform check: an empty result is for every platform") { CHECK(CheckPlatforms("linux/amd64,linux/arm64", {})->empty()); }

}  // namespace bk::exporter
