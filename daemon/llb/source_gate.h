// What a build's sources may be, and what they turned out to be: the lock file, builds without connections, and the record
// that lock files and provenance are made of.
//
// Problems are gathered, so that all of them are told at once, before the first step runs. Thread-safe. See docs/lock.md.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/platform.h"
#include "daemon/cache/ref.h"
#include "llb/ops.pb.h"
#include "proto/llb/source_lock.h"

namespace bk::llb {

// What a request asks of its sources.
struct SourceRules {
  bool record = false;             // the response is to have the lock file
  bool offline = false;            // no connection for them
  std::optional<SourceLock> lock;  // nothing but this
  bool active() const { return offline || lock.has_value(); }
};

// What one source of a build resolved to.
struct ResolvedSource {
  std::string identifier;  // canonical, after policies, without passwords
  std::string value;       // digest, or id of a git object
  std::string platform;    // of images
  auto operator<=>(const ResolvedSource&) const = default;
};

class SourceGate {
 public:
  explicit SourceGate(SourceRules rules) : rules_(std::move(rules)) {}
  const SourceRules& rules() const { return rules_; }

  // Makes sure that a source gets the locked value although a later one is known here. For builds without connections:
  // others are to find out that it changed. HTTP is left as it is: a checksum would change the name of the file.
  void Pin(pb::SourceOp& op) const;
  // False, and a problem is noted, for what the lock file does not name; false for what was noted as missing before.
  // Only for sources from the outside.
  bool Admit(const std::string& identifier);
  // Notes that this machine does not have it.
  void Missing(const std::string& identifier, const absl::Status& why);
  // Records the value. A problem is noted if the lock file has another one.
  void Resolved(const std::string& identifier, const std::string& value, const std::string& platform);
  // False if it was said of the same thing before.
  bool Begin(const std::string& what);
  // Kept until the build ends, so that nothing prunes what it was promised.
  void Hold(cache::ImmutablePtr ref);

  bool HasProblems() const;
  // FailedPrecondition with every problem, or OK.
  absl::Status Verdict() const;
  // Sorted.
  std::vector<ResolvedSource> All() const;
  // The record as a lock file. FailedPrecondition for a source that changed during the build.
  absl::StatusOr<std::string> LockText() const;

 private:
  struct State {
    std::map<std::string, std::string> problems;  // by name of the source: what is said of it
    std::set<std::string> missing, begun;
    std::set<ResolvedSource> resolved;
    std::vector<cache::ImmutablePtr> held;
  };
  const SourceRules rules_;
  Guarded<State> state_;
};

}  // namespace bk::llb
