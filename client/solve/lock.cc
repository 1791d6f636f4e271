#include "client/solve/lock.h"

#include "base/version.h"

namespace bk::client {
namespace {

namespace sp = moby::buildkit::v1::sourcepolicy;

constexpr char kUploads[] = "http://buildkit-session/*";  // of the client itself

sp::Rule& Add(sp::Policy& policy, sp::PolicyAction action, const std::string& identifier, sp::MatchType type) {
  sp::Rule& rule = *policy.add_rules();
  rule.set_action(action);
  rule.mutable_selector()->set_identifier(identifier);
  rule.mutable_selector()->set_match_type(type);
  return rule;
}

}  // namespace

sp::Policy LockPolicy(const llb::SourceLock& lock) {
  sp::Policy policy;
  policy.set_version(1);
  std::vector<std::string> allowed;
  for (const auto& [name, source] : lock.sources()) {
    std::string_view image, digest;
    allowed.push_back(name);
    if (llb::CutImageDigest(name, image, digest)) continue;
    sp::Update& updates = *Add(policy, sp::CONVERT, name, sp::EXACT).mutable_updates();
    if (name.starts_with("docker-image://")) {
      allowed.back() = StrCat(name, "@", source.resolved);
      updates.set_identifier(allowed.back());
    } else {
      (*updates.mutable_attrs())[name.starts_with("git://") ? "git.checksum" : "http.checksum"] = source.resolved;
    }
  }
  // The last rule that fits counts.
  for (const char* outside : {"docker-image://*", "docker-image+blob://*", "git://*", "http://*", "https://*"}) Add(policy, sp::DENY, outside, sp::WILDCARD);
  for (const std::string& name : allowed) Add(policy, sp::ALLOW, name, sp::EXACT);
  Add(policy, sp::ALLOW, kUploads, sp::WILDCARD);
  return policy;
}

void AddLockAttributes(const LockOptions& lock, Attributes& attrs) {
  if (lock.record) attrs[llb::kLockRecordAttr] = "true";
  if (lock.offline) attrs[llb::kOfflineAttr] = "true";
  if (lock.locked) attrs[llb::kLockSourcesAttr] = lock.locked->Text();
}

absl::Status FitLockToDaemon(const std::string& package, SolveOptions& options) {
  if (package == kPackage) return absl::OkStatus();
  const std::string daemon = package.empty() ? "this daemon" : "daemon " + package;
  if (options.lock.offline) return FailedPrecondition("--offline: ", daemon, " does not know builds without connections (use a buildkitd of ", kPackage, ")");
  if (options.lock.record) return FailedPrecondition("--lock: ", daemon, " does not say what sources resolved to (write the file with a buildkitd of ", kPackage, ", or use it with --locked)");
  if (!options.lock.locked) return absl::OkStatus();
  sp::Policy rules = LockPolicy(*options.lock.locked);
  if (!options.source_policy) {
    options.source_policy = std::move(rules);
  } else {
    options.source_policy->mutable_rules()->MergeFrom(rules.rules());
  }
  options.lock = {};
  return absl::OkStatus();
}

}  // namespace bk::client
