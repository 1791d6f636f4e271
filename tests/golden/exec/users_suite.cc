#include <sys/stat.h>
#include <unistd.h>

#include "base/os/file.h"
#include "proto/llb/state.h"
#include "sandbox/oci/spec.h"
#include "sandbox/oci/user.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

constexpr size_t kTenMiB = 10 << 20, kLongLine = 70000;

// passwd, filled with empty comment lines up to `size` in all.
std::string Padded(std::string text, size_t size) {
  while (text.size() + 2 <= size) text += "#\n";
  if (text.size() < size) text += "#";
  return text;
}

absl::Status MakeFile(const std::string& root, const std::string& name, const Json& text, const std::string& setup) {
  std::string path = root + "/etc/" + name;
  if (setup == name + "-dir") return os::MakeDirs(path, 0755);
  std::string bytes = text.is_null() ? "" : Text(text);
  if (setup == name + "-10MiB") bytes = Padded(bytes, kTenMiB);
  if (setup == name + "-10MiB+1") bytes = Padded(bytes, kTenMiB + 1);
  if (setup == name + "-longline") bytes = std::string(kLongLine, 'x') + "\n" + bytes;
  auto link = [&](const char* to, const std::string& target) -> absl::Status {
    BK_RETURN_IF_ERROR(os::MakeDirs(os::DirName(target), 0755));
    if (symlink(to, path.c_str()) < 0) return ErrnoError(errno, path);
    return os::WriteFile(target, bytes, 0644);
  };
  if (setup == name + "-abs-link") return link("/data/passwd", root + "/data/passwd");
  if (setup == name + "-escape-link") return link("../../../../../../shadow", root + "/shadow");
  if (setup == name + "-dangling") return symlink("/nowhere", path.c_str()) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
  if (text.is_null() && bytes.empty()) return absl::OkStatus();
  return os::WriteFile(path, bytes, 0644);
}

absl::Status MakeRoot(const std::string& root, const Json& input) {
  std::string setup = input.value("setup", "");
  if (setup == "no-etc") return absl::OkStatus();
  if (setup == "etc-is-file") return os::WriteFile(root + "/etc", "", 0644);
  BK_RETURN_IF_ERROR(os::MakeDirs(root + "/etc", 0755));
  BK_RETURN_IF_ERROR(MakeFile(root, "passwd", input["passwd"], setup));
  return MakeFile(root, "group", input["group"], setup);
}

std::string Failure(const absl::Status& status, const std::string& root) {
  std::string text = Message(status);
  for (size_t at; (at = text.find(root)) != std::string::npos;) text.replace(at, root.size(), "$ROOTFS");
  return text;
}

Json Exec(const os::RootDir& root, const Json& input) {
  auto user = oci::LookUpUser(root, Text(input["user"]));
  if (!user.ok()) return {{"error", Failure(user.status(), root.path())}};
  return {{"uid", user->uid}, {"gid", user->gid}, {"sgids", user->groups}, {"spec_additional_gids", oci::AdditionalGroups(*user)}};
}

Json Part(const std::optional<llb::UserOrId>& part) {
  if (!part) return nullptr;
  if (part->name.empty()) return {{"byID", part->id}};
  return {{"byName", {{"name", part->name}}}};
}

Json File(const os::RootDir& root, const Json& input) {
  llb::Owner owner = llb::Owner::Parse(Text(input["owner"]));
  Json got = {{"chown_opt", {{"user", Part(owner.user)}, {"group", Part(owner.group)}}}};
  auto part = [&](const std::optional<llb::UserOrId>& from) {
    return from ? std::optional(oci::OwnerPart{from->name, static_cast<uint32_t>(from->id), &root}) : std::nullopt;
  };
  auto found = oci::LookUpOwner(part(owner.user), part(owner.group));
  if (!found.ok()) {
    got["error"] = Failure(found.status(), root.path());
    return got;
  }
  got["uid"] = found->uid;
  got["gid"] = found->gid;
  return got;
}

}  // namespace

absl::Status RunUsers(const Json& c, const std::string&) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-users-"));
  BK_RETURN_IF_ERROR(MakeRoot(dir.path(), c["input"]));
  BK_TRY(os::RootDir root, os::RootDir::Open(dir.path()));
  return ExpectJson("user", c["kind"] == "exec" ? Exec(root, c["input"]) : File(root, c["input"]), c["expect"]);
}

}  // namespace bk::golden::exec
