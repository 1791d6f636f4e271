#include <map>  // dockerfile/dockerignore: INF-014

#include "base/ignore_pattern.h"
#include "base/path.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace {

std::string DockerignoreOf(const Json& input) {
  Json renamed = input;
  if (input.contains("dockerignore")) renamed["dockerfile"] = input["dockerignore"];
  if (input.contains("dockerignore_b64")) renamed["dockerfile_b64"] = input["dockerignore_b64"];
  return DockerfileOf(renamed);
}

// The answer for `path` in a walk that starts at the top, all parents asked first.
absl::StatusOr<bool> Walk(PatternMatcher& matcher, const std::string& path) {
  PatternMatcher::ParentResults results;
  bool matched = false;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    PatternMatcher::ParentResults next;
    BK_TRY(matched, matcher.MatchesUsingParentResults(std::string_view(path).substr(0, end), results, next));
    results = std::move(next);
    if (end == std::string::npos) return matched;
  }
}

}  // namespace

absl::Status RunIgnore(const Json& c, const std::string&) {
  const Json& input = c["input"];
  Json want = c["expect"], got = Json::object();
  absl::StatusOr<std::vector<std::string>> patterns = std::vector<std::string>();
  if (input.contains("patterns")) {
    *patterns = input["patterns"].get<std::vector<std::string>>();
  } else {
    patterns = ReadIgnoreFile(DockerignoreOf(input));
    if (!patterns.ok()) {
      got["read_error"] = Message(patterns.status());
      return ExpectJson("ignore", got, want);
    }
    got["patterns"] = *patterns;
  }
  auto matcher = PatternMatcher::Create(*patterns);
  if (!matcher.ok()) {
    got["pattern_error"] = Message(matcher.status());
    return ExpectJson("ignore", got, want);
  }
  got["has_negation"] = matcher->has_exclusions();
  for (const auto& item : input.value("paths", Json::array())) {
    std::string path = item.get<std::string>();
    Json row = {{"path", path}};
    auto one = matcher->MatchesOrParentMatches(path);
    one.ok() ? row["match"] = *one : row["match_error"] = Message(one.status());
    auto walk = Walk(*matcher, path);
    walk.ok() ? row["walk"] = *walk : row["walk_error"] = Message(walk.status());
    got["matches"].push_back(row);
  }
  want.erase("sent");
  return ExpectJson("ignore", got, want);
}

}  // namespace bk::golden::dockerfile
