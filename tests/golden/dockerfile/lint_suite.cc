// Checks of a build, the request for them, and the other questions about a Dockerfile.
#include "base/source_snippet.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "tests/golden/dockerfile/stub_bridge.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {
namespace {

Json RangesOf(const Json& location) {
  Json out = Json::array();
  const Json ranges = location.value("ranges", Json::array());
  auto number = [](const Json& range, const char* end, const char* key) { return range.value(end, Json::object()).value(key, 0); };
  for (const Json& r : ranges) {
    out.push_back({number(r, "start", "line"), number(r, "start", "character"), number(r, "end", "line"), number(r, "end", "character")});
  }
  return out;
}

// The Source details of an error, with the snippet that clients print.
Json SourcesOf(const absl::Status& status) {
  Json out = Json::array();
  for (const ErrorDetail& detail : Details(status)) {
    if (detail.type != "errdefs.Source") continue;
    const Json parsed = Json::parse(detail.json), &info = parsed["info"];
    Json ranges = RangesOf(parsed);
    std::vector<LineRange> lines;
    for (const Json& r : ranges) lines.push_back({r[0].get<int>(), std::max(r[0].get<int>(), r[2].get<int>())});
    std::string text = Base64Decode(info.value("data", "")).value_or("");
    std::string name = info.value("filename", "");
    out.push_back({{"filename", name}, {"language", info.value("language", "")}, {"print", RenderSnippet(name, text, lines)}, {"ranges", ranges}});
  }
  return out;
}

Json ErrorJson(const absl::Status& status) { return {{"error", Message(status)}, {"sources", SourcesOf(status)}}; }

absl::Status CheckBuild(const Json& input, const Json& want, const std::string& dir) {
  StubBridge bridge(input, dir);
  auto result = BuildCase(bridge, input);
  BK_RETURN_IF_ERROR(ExpectJson("build warnings", bridge.Warnings(), want["warnings"]));
  Json got = result.ok() ? Json() : ErrorJson(result.status()), wanted = want.value("error", Json());
  return ExpectJson("build error", got, wanted);
}

absl::Status CheckLint(const Json& input, const Json& want, const std::string& dir) {
  StubBridge bridge(input, dir);
  Json request = input;
  request["opts"]["requestid"] = "frontend.lint";
  auto result = BuildCase(bridge, request);
  if (!result.ok()) return ExpectJson("lint error", ErrorJson(result.status()), want.value("error", Json()));
  BK_RETURN_IF_ERROR(ExpectText("text", result->metadata["result.txt"], Text(want["text"])));
  BK_RETURN_IF_ERROR(ExpectText("status code", result->metadata["result.statuscode"], Text(want["statuscode"])));
  const Json json = Json::parse(result->metadata["result.json"]);
  Json warnings = Json::array();
  for (const Json& w : json["warnings"]) {
    Json one = {{"description", w.value("description", "")}, {"detail", w.value("detail", "")}, {"ranges", RangesOf(w["location"])}, {"rule", w["ruleName"]}};
    if (w.contains("url")) one["url"] = w["url"];
    warnings.push_back(one);
  }
  Json wanted = want["warnings"];
  for (Json& w : wanted) {
    if (w.value("url", "").empty()) w.erase("url");
  }
  BK_RETURN_IF_ERROR(ExpectJson("lint warnings", warnings, wanted));
  Json error;
  if (json.contains("buildError")) error = {{"message", json["buildError"]["message"]}, {"ranges", RangesOf(json["buildError"]["location"])}};
  return ExpectJson("build error of lint", error, want.value("build_error", Json()));
}

}  // namespace

absl::Status RunLint(const Json& c, const std::string& dir) {
  BK_RETURN_IF_ERROR(CheckBuild(c["input"], c["expect"]["build"], dir));
  return CheckLint(c["input"], c["expect"]["lint"], dir);
}

absl::Status RunSubrequests(const Json& c, const std::string& dir) {
  const Json &input = c["input"], &want = c["expect"];
  StubBridge bridge(input, dir);
  auto result = BuildCase(bridge, input);
  if (!result.ok()) return ExpectJson("error", ErrorJson(result.status()), want);
  if (!want.contains("metadata")) return Internal("succeeded, want ", want.dump());
  const Json wanted = want["metadata"];
  for (const auto& [key, value] : wanted.items()) BK_RETURN_IF_ERROR(ExpectText(key, result->metadata[key], Text(value)));
  if (result->metadata.size() != wanted.size()) return Internal("got ", result->metadata.size(), " values of metadata, want ", wanted.size());
  return result->ref == nullptr && result->refs.empty() ? absl::OkStatus() : Internal("an answer has no tree");
}

}  // namespace bk::golden::dockerfile
