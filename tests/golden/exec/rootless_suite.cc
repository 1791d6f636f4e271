#include <unistd.h>

#include <algorithm>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "sandbox/oci/spec.h"
#include "tests/golden/exec/own_mounts.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

using Strings = std::vector<std::string>;

// The parts of a spec that the conversion may change, taken out of its JSON and put back; the rest stays as it was.
absl::Status Convert(const Json& c) {
  Json json = c["input"]["spec"];
  oci::Spec spec;
  for (const Json& mount : json.value("mounts", Json::array())) {
    spec.mounts.push_back({mount["destination"], mount["type"], mount["source"], mount.value("options", Strings())});
  }
  spec.cgroups_path = json["linux"].value("cgroupsPath", "");
  if (json["linux"].contains("resources")) spec.resources.emplace();
  oci::MakeRootless(spec);
  json.erase("mounts");
  for (const oci::SpecMount& mount : spec.mounts) {
    Json out = {{"destination", mount.destination}, {"source", mount.source}, {"type", mount.type}};
    if (!mount.options.empty()) out["options"] = mount.options;
    json["mounts"].push_back(out);
  }
  if (spec.cgroups_path.empty()) json["linux"].erase("cgroupsPath");
  if (!spec.resources) json["linux"].erase("resources");
  return ExpectJson("spec", json, c["expect"]["spec"]);
}

absl::Status LockedFlags(const Json& c) {
  const Json& input = c["input"];
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-flags-"));
  os::Mount mount = {"tmpfs", "tmpfs", {}};
  std::string flags = input["source_fs_flags"];
  for (size_t at = 0; flags != "plain" && at < flags.size();) {
    size_t end = std::min(flags.find(',', at), flags.size());
    mount.options.push_back(flags.substr(at, end - at));
    at = end + 1;
  }
  // Things go in before the flags: the file system may be read-only with them.
  BK_RETURN_IF_ERROR(os::MountAt({"tmpfs", "tmpfs", {}}, dir.path()));
  BK_TRY(os::TempMount mounted, os::TempMount::Adopt(dir.path()));
  BK_RETURN_IF_ERROR(os::MakeDirs(dir.path() + "/dir/sub", 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(dir.path() + "/file", "", 0644));
  std::string joined = flags == "plain" ? "" : flags;
  std::string command = StrCat("mount -o remount", joined.empty() ? "" : ",", joined, " ", dir.path());
  if (!joined.empty() && std::system(command.c_str()) != 0) return Internal("cannot set mount flags ", flags);
  std::string kind = input["source"];
  std::string source = dir.path() + (kind == "missing" ? "/missing" : kind == "file" ? "/file" : kind == "subdir" ? "/dir/sub" : "/dir");
  std::vector<oci::SpecMount> mounts = {{"/x", input["type"], source, input["options"].get<Strings>()}};
  absl::Status status = oci::KeepLockedFlags(mounts);
  Json got;
  if (!status.ok()) {
    std::string text = Message(status);
    for (size_t at; (at = text.find(source)) != std::string::npos;) text.replace(at, source.size(), "$SRC");
    got["error"] = text;
  } else {
    got["options"] = mounts[0].options;
  }
  return ExpectJson("options", got, c["expect"]);
}

}  // namespace

absl::Status RunRootlessSpec(const Json& c, const std::string&) {
  if (c["kind"] == "convert") return Convert(c);
  BK_RETURN_IF_ERROR(OwnMounts());
  return LockedFlags(c);
}

}  // namespace bk::golden::exec
