#include "client/cli/lock_flags.h"

#include "base/os/file.h"
#include "client/cli/metadata_file.h"

namespace bk::client {
namespace {

constexpr uint64_t kMaxLockBytes = 8 << 20;

}  // namespace

absl::StatusOr<LockOptions> ReadLockOptions(const flags::Values& values) {
  LockOptions out;
  const std::string path = values.String("lock");
  const bool locked = values.Bool("locked");
  out.offline = values.Bool("offline");
  if (locked && path.empty()) return InvalidArgument("--locked needs the lock file (--lock FILE)");
  if (path.empty()) return out;
  if (!locked) {
    out.record = true;
    return out;
  }
  auto text = os::ReadFile(path, kMaxLockBytes);
  if (!text.ok()) return Annotate(text.status(), StrCat("lock file ", Quote(path), " (build without --locked to write it)"));
  auto parsed = llb::SourceLock::Parse(*text);
  if (!parsed.ok()) return Annotate(parsed.status(), path);
  out.locked = *std::move(parsed);
  return out;
}

absl::Status WriteLock(const flags::Values& values, const std::string& text) {
  const std::string path = values.String("lock");
  if (path.empty() || values.Bool("locked")) return absl::OkStatus();
  if (text.empty()) return FailedPrecondition("the daemon did not say what sources resolved to: ", Quote(path), " is not written (a later buildkitd is needed)");
  if (auto known = os::ReadFile(path, kMaxLockBytes); known.ok() && *known == text) return absl::OkStatus();
  return WriteOutputFile(path, text);
}

}  // namespace bk::client
