#include "daemon/llb/source_gate.h"

namespace bk::llb {
namespace {

constexpr size_t kMaxShown = 100;

// The name under which people know an image whose digest was found out on the way.
std::string Plain(const std::string& name) {
  std::string_view image, digest;
  return CutImageDigest(name, image, digest) ? std::string(image) : name;
}

}  // namespace

void SourceGate::Pin(pb::SourceOp& op) const {
  if (!rules_.offline || !rules_.lock) return;
  const LockedSource* locked = rules_.lock->Find(LockName(op.identifier()));
  if (locked == nullptr) return;
  std::string_view image, digest;
  if (op.identifier().starts_with("git://")) {
    op.mutable_attrs()->insert({"git.checksum", locked->resolved});
  } else if (op.identifier().starts_with("docker-image://") && !CutImageDigest(op.identifier(), image, digest)) {
    op.set_identifier(StrCat(op.identifier(), "@", locked->resolved));
  }
}

bool SourceGate::Admit(const std::string& identifier) {
  const std::string name = LockName(identifier);
  return state_.With([&](State& s) {
    if (s.missing.contains(name) || s.missing.contains(Plain(name))) return false;
    if (!rules_.lock || rules_.lock->Find(name) != nullptr) return true;
    if (s.problems.contains(Plain(name))) return false;  // with the digest that its name turned out to have
    s.missing.insert(name);
    s.problems[name] = StrCat("source ", Quote(name), " is not in the lock file (build without --locked to add it)");
    return false;
  });
}

void SourceGate::Missing(const std::string& identifier, const absl::Status& why) {
  const std::string name = LockName(identifier);
  state_.With([&](State& s) {
    s.missing.insert(Plain(name));
    if (s.missing.insert(name).second || !s.problems.contains(name)) {
      s.problems[name] = StrCat("source ", Quote(name), " is not on this machine: ", Message(why), " (build once without --offline)");
    }
  });
}

void SourceGate::Resolved(const std::string& identifier, const std::string& value, const std::string& platform) {
  const std::string name = LockName(identifier);
  state_.With([&](State& s) {
    s.resolved.insert({name, value, platform});
    if (!rules_.lock) return;
    const LockedSource* locked = rules_.lock->Find(name);
    if (locked == nullptr) {
      // A digest that an earlier question gave for a locked name was judged there.
      if (s.problems.contains(Plain(name))) return;
      s.problems[name] = StrCat("source ", Quote(name), " resolved to ", value, " and is not in the lock file (build without --locked to add it)");
    } else if (locked->resolved != value) {
      s.problems[name] = StrCat("source ", Quote(name), " resolved to ", value, ", the lock file says ", locked->resolved, " (build without --locked to write the new value",
                                rules_.offline ? ", or once without --offline to have the locked one)" : ")");
    }
  });
}

bool SourceGate::Begin(const std::string& what) {
  return state_.With([&](State& s) { return s.begun.insert(what).second; });
}

void SourceGate::Hold(cache::ImmutablePtr ref) {
  if (ref != nullptr) state_.With([&](State& s) { s.held.push_back(std::move(ref)); });
}

bool SourceGate::HasProblems() const {
  return state_.With([](const State& s) { return !s.problems.empty(); });
}

absl::Status SourceGate::Verdict() const {
  auto problems = state_.With([](const State& s) { return s.problems; });
  if (problems.empty()) return absl::OkStatus();
  if (problems.size() == 1) return FailedPrecondition(problems.begin()->second);
  std::string text = StrCat(problems.size(), " sources are not as they should be:");
  size_t shown = 0;
  for (const auto& [name, problem] : problems) {
    if (++shown > kMaxShown) break;
    text += "\n  " + problem;
  }
  return FailedPrecondition(text);
}

std::vector<ResolvedSource> SourceGate::All() const {
  return state_.With([](const State& s) { return std::vector<ResolvedSource>(s.resolved.begin(), s.resolved.end()); });
}

absl::StatusOr<std::string> SourceGate::LockText() const {
  SourceLock lock;
  for (const ResolvedSource& source : All()) BK_RETURN_IF_ERROR(lock.Add(source.identifier, source.value, source.platform));
  lock.Fold();
  return lock.Text();
}

}  // namespace bk::llb
