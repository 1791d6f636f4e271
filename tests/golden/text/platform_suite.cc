#include <algorithm>  // text/platform: INF-016

#include "base/platform_match.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

Json PlatformJson(const Platform& p) {
  Json out = {{"architecture", p.architecture}, {"os", p.os}};
  if (!p.variant.empty()) out["variant"] = p.variant;
  if (!p.os_version.empty()) out["os.version"] = p.os_version;
  if (!p.os_features.empty()) out["os.features"] = p.os_features;
  return out;
}

Json Parsed(const std::string& text) {
  auto parsed = ParsePlatform(text);
  if (!parsed.ok()) return {{"error", Message(parsed.status())}};
  Platform normal = NormalizePlatform(*parsed);
  return {{"parsed", PlatformJson(*parsed)},
          {"format", FormatPlatform(*parsed)},
          {"format_all", FormatPlatformAll(*parsed)},
          {"normalized", PlatformJson(normal)},
          {"normalized_format", FormatPlatform(normal)},
          {"normalized_format_all", FormatPlatformAll(normal)}};
}

Json Normalized(const Json& input) {
  Platform p;
  p.os = input.value("os", "");
  p.architecture = input.value("architecture", "");
  p.variant = input.value("variant", "");
  p.os_version = input.value("os.version", "");
  p.os_features = input.value("os.features", std::vector<std::string>());
  Platform normal = NormalizePlatform(p);
  return {{"format_before", FormatPlatform(p)},
          {"format_all_before", FormatPlatformAll(p)},
          {"normalized", PlatformJson(normal)},
          {"format_all", FormatPlatformAll(normal)}};
}

PlatformMatcher Matcher(const std::string& mode, const std::vector<Platform>& wanted) {
  if (mode == "only") return PlatformMatcher::Only(wanted[0]);
  if (mode == "only_strict") return PlatformMatcher::Strict(wanted[0]);
  return mode == "any" ? PlatformMatcher::Any(wanted) : PlatformMatcher::Ordered(wanted);
}

std::vector<Platform> Platforms(const Json& texts) {
  std::vector<Platform> out;
  for (const auto& text : texts) out.push_back(*ParsePlatform(text.get<std::string>()));
  return out;
}

Json Matched(const Json& input) {
  PlatformMatcher matcher = Matcher(input["mode"], Platforms(input["wanted"]));
  std::vector<Platform> matched;
  for (const Platform& p : Platforms(input["offered"])) {
    if (matcher.Matches(p)) matched.push_back(p);
  }
  auto texts = [&] {
    Json out = Json::array();
    for (const Platform& p : matched) out.push_back(FormatPlatformAll(p));
    return out;
  };
  Json out = {{"matched_in_offer_order", texts()}};
  std::stable_sort(matched.begin(), matched.end(), [&](const Platform& a, const Platform& b) { return matcher.Less(a, b); });
  out["matched_best_first"] = texts();
  out["best"] = matched.empty() ? Json() : Json(FormatPlatformAll(matched[0]));
  return out;
}

}  // namespace

absl::Status RunPlatform(const Json& c, const std::string&) {
  const Json& input = c["input"];
  Json got;
  if (input.contains("platform")) {
    got = Parsed(Text(input["platform"]));
  } else if (input.contains("normalize")) {
    got = Normalized(input["normalize"]);
  } else {
    got = Matched(input);
  }
  return ExpectJson("platform", got, c["expect"]);
}

}  // namespace bk::golden::text
