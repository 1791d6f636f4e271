#include "daemon/ops/secret_mount.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/id.h"
#include "base/log.h"
#include "base/os/userns.h"

namespace bk::ops {

absl::StatusOr<std::unique_ptr<SecretMount>> SecretMount::Make(std::string_view value, const pb::SecretOpt& options) {
  std::unique_ptr<SecretMount> secret(new SecretMount);
  BK_ASSIGN(secret->dir_, os::TempDir::Make("buildkit-secrets"));
  const std::string& dir = secret->dir_.path();
  if (chmod(dir.c_str(), 0711) < 0) return ErrnoError(errno, StrCat("chmod ", dir));
  bool executable = (options.mode() & 0111) != 0;
  os::Mount tmpfs{"tmpfs", "tmpfs", {}};
  // A user namespace may not choose these.
  if (!os::InUserNamespace()) {
    tmpfs.options = {"nodev", "nosuid", StrCat("uid=", geteuid(), ",gid=", getegid())};
    if (!executable) tmpfs.options.push_back("noexec");
  }
  BK_RETURN_IF_ERROR(Annotate(os::MountAt(tmpfs, dir), "unable to setup secret mount"));
  secret->mounted_ = true;
  std::string file = os::JoinPath(dir, NewId());
  BK_RETURN_IF_ERROR(os::WriteFile(file, value, 0600));
  if (chown(file.c_str(), options.uid(), options.gid()) < 0) return ErrnoError(errno, StrCat("chown of secret to ", options.uid(), ":", options.gid()));
  if (chmod(file.c_str(), options.mode() & 0777) < 0) return ErrnoError(errno, "chmod of secret");
  secret->mount_ = {"bind", file, {"ro", "rbind", "nodev", "nosuid"}};
  if (!executable) secret->mount_.options.push_back("noexec");
  return secret;
}

SecretMount::~SecretMount() {
  if (!mounted_) return;
  if (auto gone = os::UnmountAll(dir_.path()); !gone.ok()) log::Error(StrCat("secret mount: ", Message(gone)));
}

}  // namespace bk::ops
