#include "daemon/ops/content_files.h"

#include <algorithm>
#include <map>

#include "base/glob.h"
#include "base/ignore_pattern.h"
#include "base/path.h"
#include "daemon/cache/contenthash.h"
#include "daemon/ops/map/map_plan.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

bool IsBelow(std::string_view path, std::string_view top) {
  if (top == "/" || path == top) return true;
  return path.starts_with(top) && path.size() > top.size() && path[top.size()] == '/';
}

// The first parts of `path`, as many as `pattern` has.
std::string_view Head(std::string_view path, std::string_view pattern) {
  auto slashes = std::count(pattern.begin(), pattern.end(), '/');
  for (size_t at = 0; at < path.size(); at++) {
    if (path[at] == '/' && slashes-- == 0) return path.substr(0, at);
  }
  return path;
}

class Chosen {
 public:
  explicit Chosen(const Selector& selector) : path_(JoinPath("/", selector.path)), wildcard_(selector.wildcard) {
    if (auto matcher = PatternMatcher::Create(selector.exclude_patterns); matcher.ok()) excluded_ = *std::move(matcher);
    if (auto matcher = PatternMatcher::Create(selector.include_patterns); matcher.ok()) included_ = *std::move(matcher);
  }
  bool Has(const std::string& path) {
    bool below = wildcard_ ? GlobMatch(path_, Head(path, path_)).value_or(false) : IsBelow(path, path_);
    if (!below || path.ends_with('/')) return below && excluded_.empty() && included_.empty();
    std::string relative = path.substr(1);
    return (included_.empty() || included_.MatchesOrParentMatches(relative).value_or(true)) && (excluded_.empty() || !excluded_.MatchesOrParentMatches(relative).value_or(false));
  }

 private:
  std::string path_;
  bool wildcard_;
  PatternMatcher excluded_, included_;
};

}  // namespace

void VisitContentFiles(const pb::Op& op, size_t input, const solver::ResultPtr& result, const std::function<bool(const std::string& path, const std::string& digest)>& see) {
  auto plan = op.has_exec() ? PlanExec(op.exec(), Platform(), op.inputs_size()) : op.has_file() ? PlanFile(op.file(), op.inputs_size()) : absl::StatusOr<MapPlan>(MapPlan());
  cache::ImmutablePtr ref = RefOf(result);
  if (!plan.ok() || ref == nullptr || input >= plan->deps.size() || !plan->deps[input].by_content) return;
  std::vector<Chosen> chosen;
  for (const Selector& selector : plan->deps[input].content) chosen.emplace_back(selector);
  if (chosen.empty()) chosen.emplace_back(Selector{"/", false, false, {}, {}, {}});
  // Keys are sorted with "/" before everything else; names are wanted as they read.
  std::map<std::string, std::string> files;
  cache::VisitKnownChecksums(ref, [&](const std::string& path, const std::string& digest) {
    if (std::any_of(chosen.begin(), chosen.end(), [&](Chosen& one) { return one.Has(path); })) files.emplace(path, digest);
  });
  for (const auto& [path, digest] : files) {
    if (!see(path, digest)) return;
  }
}

}  // namespace bk::ops
