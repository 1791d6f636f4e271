// layers/apply: a layer stream on top of layers, by the native way and by overlay's. [SNP-018, SNP-021, INF-020]
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "daemon/cache/apply_target.h"
#include "tests/golden/layers/stack.h"
#include "tests/golden/layers/suites.h"

namespace bk::golden::layers {
namespace {

absl::Status ExpectError(const std::string& what, const absl::Status& status, const Json& want, const std::string& root) {
  if (!want.contains("error")) return status.ok() ? status : Annotate(status, what);
  if (status.ok()) return Unknown(what, ": no error, want ", want["error"].get<std::string>());
  std::string text = Message(status), wanted = want["error"];
  for (size_t at; (at = text.find(root)) != std::string::npos;) text.replace(at, root.size(), "$ROOT");
  // The reference names its temporary mount.
  constexpr std::string_view kMount = "mount callback failed on $ROOT: ";
  if (wanted.starts_with(kMount)) wanted = wanted.substr(kMount.size());
  if (text.starts_with(wanted + ": ")) return absl::OkStatus();  // ours may say more
  return ExpectText(what + " error", text, wanted);
}

absl::Status ExpectMarkers(const std::string& upper, const Json& markers) {
  for (const Json& marker : markers) {
    std::string path = upper + Bytes(marker, "path");
    struct stat st;
    if (lstat(path.c_str(), &st) < 0) return Unknown("marker ", path, " is missing");
    if (marker["kind"] == "opaque") {
      char value[8];
      ssize_t n = lgetxattr(path.c_str(), "trusted.overlay.opaque", value, sizeof value);
      if (n != 1 || value[0] != 'y') return Unknown("no opaque attribute on ", path);
      continue;
    }
    char mode[16];
    std::snprintf(mode, sizeof mode, "%04o", st.st_mode & 07777);
    if (!S_ISCHR(st.st_mode) || st.st_rdev != 0) return Unknown("no whiteout at ", path);
    BK_RETURN_IF_ERROR(ExpectText("mode of whiteout " + path, mode, marker["mode"].get<std::string>()));
    if (st.st_uid != marker["uid"].get<uid_t>() || st.st_gid != marker["gid"].get<gid_t>()) return Unknown("owner of whiteout ", path);
  }
  return absl::OkStatus();
}

absl::Status RunOn(const std::string& driver, const Json& c, const Json& want) {
  BK_TRY(auto stack, Stack::Make(driver));
  for (const Json& layer : c["lower_layers"]) BK_RETURN_IF_ERROR(stack->Add(layer));
  BK_TRY(std::string tar, Gunzip(c["tar_gz"]));
  snapshotter::Driver& d = stack->driver();
  snapshotter::SnapshotId id = stack->NextId();
  BK_RETURN_IF_ERROR(d.Prepare(CancelToken::Never(), id, stack->chain()));
  diff::ApplyTarget target = cache::ApplyTargetOf(d, id, stack->chain());
  diff::StringSource source(tar);
  absl::Status status = diff::ApplyLayer(CancelToken::Never(), source, target).status();
  BK_RETURN_IF_ERROR(ExpectError(driver, status, want, target.dir));
  if (target.overlay && c["expect"].contains("overlay_markers")) BK_RETURN_IF_ERROR(ExpectMarkers(target.dir, c["expect"]["overlay_markers"]));
  snapshotter::Parents all = stack->chain();
  all.insert(all.begin(), id);
  BK_TRY(os::TempMount view, stack->View(all));
  return ExpectTree(driver, view.path(), want.contains("tree") ? want["tree"] : want["tree_after_error"]);
}

}  // namespace

absl::Status RunApply(const Json& c, const std::string&) {
  const Json& native = c["expect"]["native"];
  BK_RETURN_IF_ERROR(RunOn("native", c, native));
  return RunOn("overlayfs", c, c["expect"].contains("overlayfs") ? c["expect"]["overlayfs"] : native);
}

}  // namespace bk::golden::layers
