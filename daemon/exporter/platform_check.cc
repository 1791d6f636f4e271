#include "daemon/exporter/platform_check.h"

#include <algorithm>
#include <set>

namespace bk::exporter {
namespace {

using Texts = std::vector<std::string>;

Texts Split(const std::string& list) {
  Texts out;
  for (size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
    to = list.find(',', from);
    out.push_back(list.substr(from, to == std::string::npos ? to : to - from));
  }
  return out;
}

std::string SortedList(Texts texts) {
  std::sort(texts.begin(), texts.end());
  std::string out;
  for (const std::string& text : texts) out += StrCat(out.empty() ? "" : ",", text);
  return out;
}

// The one platform that was made against the one that was asked for; an os version that nobody asked for is no difference.
bool IsAsRequested(const std::string& requested, const std::set<std::string>& wanted, Platform made) {
  if (wanted.contains(FormatPlatformAll(made))) return true;
  auto parsed = ParsePlatform(requested);
  if (!parsed.ok() || !parsed->os_version.empty()) return false;
  made.os_version.clear();
  return wanted.contains(FormatPlatformAll(made));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CheckPlatforms(const std::optional<std::string>& requested, const Result& result) {
  bool is_map = !result.refs.empty();
  if (!result.metadata.contains(kPlatformsKey) && !is_map && result.ref == nullptr) return Texts();
  BK_TRY(std::vector<ResultPlatform> made, PlatformsOf(result.metadata));
  Texts asked = requested ? Split(*requested) : Texts{FormatPlatform(NormalizePlatform(HostPlatform()))};
  Texts warnings, wanted_list;
  std::set<std::string> wanted;
  for (const std::string& text : asked) {
    auto parsed = ParsePlatform(text);
    if (!parsed.ok()) warnings.push_back(StrCat("Invalid platform result requested ", Quote(text), ": ", Message(parsed.status())));
    wanted_list.push_back(FormatPlatformAll(NormalizePlatform(parsed.value_or(Platform()))));
    if (!wanted.insert(wanted_list.back()).second) warnings.push_back(StrCat("Duplicate platform result requested ", Quote(text)));
  }
  if (!warnings.empty()) return warnings;
  Texts made_list;
  for (const ResultPlatform& platform : made) made_list.push_back(FormatPlatformAll(NormalizePlatform(platform.platform)));
  if (wanted.size() == 1 && made.size() == 1) {
    if (IsAsRequested(asked[0], wanted, NormalizePlatform(made[0].platform))) return Texts();
    return Texts{StrCat("Requested platform ", Quote(asked[0]), " does not match result platform ", Quote(made_list[0]))};
  }
  if (!is_map && wanted.size() > 1) return Texts{"Multiple platforms requested but result is not multi-platform"};
  bool same = wanted.size() == made.size() && std::all_of(made_list.begin(), made_list.end(), [&](const std::string& text) { return wanted.contains(text); });
  if (same) return Texts();
  return Texts{StrCat("Requested platforms ", SortedList(wanted_list), " do not match result platforms ", SortedList(made_list))};
}

}  // namespace bk::exporter
