#include "sandbox/cdi/registry.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "base/go_parse.h"
#include "base/log.h"
#include "base/os/file.h"

namespace bk::cdi {
namespace {

constexpr char kClass[] = "org.mobyproject.buildkit.device.class";
constexpr char kAutoAllow[] = "org.mobyproject.buildkit.device.autoallow";
constexpr uint64_t kFileLimit = 4 << 20;

std::string NameOf(const SpecFile& file, const FileDevice& device) { return StrCat(file.kind, "=", device.name); }

std::map<std::string, std::string> AnnotationsOf(const SpecFile& file, const FileDevice& device) {
  std::map<std::string, std::string> out = device.annotations;
  out.insert(file.annotations.begin(), file.annotations.end());
  return out;
}

std::string TypeOf(mode_t mode) { return S_ISBLK(mode) ? "b" : S_ISCHR(mode) ? "c" : S_ISFIFO(mode) ? "p" : ""; }

// What the file leaves out is the host's.
absl::StatusOr<exec::DeviceNode> Completed(const NodeEdit& edit) {
  exec::DeviceNode node = edit.node;
  const std::string& host_path = edit.host_path.empty() ? node.path : edit.host_path;
  bool complete = !node.type.empty() && (node.major != 0 || node.type == "p");
  struct stat st {};
  bool found = lstat(host_path.c_str(), &st) == 0;
  int error = errno;
  std::string type = found ? TypeOf(st.st_mode) : "";
  if (type.empty()) {
    if (complete) return node;
    std::string what = StrCat("failed to stat CDI host device ", Quote(host_path));
    return found ? FailedPrecondition(what, ": not a device node") : ErrnoError(error, what);
  }
  if (!node.mode) node.mode = st.st_mode & ~static_cast<mode_t>(S_IFMT);
  if (complete) return node;
  if (node.type.empty()) node.type = type;
  if (node.type != type) {
    return FailedPrecondition("CDI device (", Quote(node.path), ", ", Quote(host_path), "), host type mismatch (", node.type, ", ", type, ")");
  }
  if (node.type != "p" && node.major == 0) {
    node.major = major(st.st_rdev);
    node.minor = minor(st.st_rdev);
  }
  return node;
}

template <typename T>
void Append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

absl::Status Add(const Edits& edits, exec::ContainerEdits& out) {
  Append(out.env, edits.rest.env);
  for (const NodeEdit& node : edits.nodes) {
    BK_TRY(exec::DeviceNode complete, Completed(node));
    out.devices.push_back(std::move(complete));
  }
  Append(out.net_devices, edits.rest.net_devices);
  Append(out.mounts, edits.rest.mounts);
  Append(out.hooks, edits.rest.hooks);
  if (edits.rest.rdt) out.rdt = edits.rest.rdt;
  Append(out.additional_gids, edits.rest.additional_gids);
  return absl::OkStatus();
}

}  // namespace

Registry::Registry(std::vector<std::string> directories, const std::vector<std::string>& auto_allowed)
    : directories_(std::move(directories)), auto_allowed_(auto_allowed.begin(), auto_allowed.end()) {
  state_.With([&](State& state) { Refresh(state); });
}

void Registry::Refresh(State& state) const {
  std::map<std::string, File> files;
  std::map<std::string, Entry> devices;
  std::set<std::string> conflicts;
  for (size_t priority = 0; priority < directories_.size(); priority++) {
    auto names = os::ListDir(directories_[priority]);
    if (!names.ok()) continue;  // most machines have none of them
    for (const std::string& name : *names) {
      std::string path = os::JoinPath(directories_[priority], name);
      struct stat st {};
      if ((!name.ends_with(".json") && !name.ends_with(".yaml")) || stat(path.c_str(), &st) < 0 || !S_ISREG(st.st_mode)) continue;
      File file{{st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec, st.st_size, st.st_ino}, nullptr};
      if (auto known = state.files.find(path); known != state.files.end() && known->second.stamp == file.stamp) {
        file.spec = known->second.spec;
      } else if (auto text = os::ReadFile(path, kFileLimit); !text.ok()) {
        log::Warning("CDI file cannot be read", {{"path", path}, {"error", Message(text.status())}});
      } else if (auto spec = ParseSpecFile(*text); !spec.ok()) {
        log::Warning("CDI file cannot be used", {{"path", path}, {"error", Message(spec.status())}});
      } else {
        file.spec = std::make_shared<const SpecFile>(*std::move(spec));
      }
      files[path] = file;
      if (file.spec == nullptr) continue;
      for (const FileDevice& device : file.spec->devices) {
        Entry& entry = devices[NameOf(*file.spec, device)];
        if (entry.device != nullptr && entry.priority == priority) conflicts.insert(NameOf(*file.spec, device));
        entry = {file.spec, &device, path, priority};
      }
    }
  }
  for (const std::string& name : conflicts) {
    if (!state.conflicts.contains(name)) log::Warning("CDI device is described twice, so it is not used", {{"device", name}, {"path", devices[name].path}});
    devices.erase(name);
  }
  state = {std::move(files), std::move(devices), std::move(conflicts)};
}

bool Registry::IsAutoAllowed(const std::string& name, const std::map<std::string, std::string>& annotations) const {
  if (auto_allowed_.contains(name) || auto_allowed_.contains(name.substr(0, name.find('=')))) return true;
  auto said = annotations.find(kAutoAllow);
  if (said == annotations.end()) return false;
  auto yes = ParseBool(said->second);
  return yes.ok() && *yes;
}

std::vector<Device> Registry::List() {
  return state_.With([&](State& state) {
    Refresh(state);
    std::vector<Device> out;
    for (const auto& [name, entry] : state.devices) {
      Device device{name, false, AnnotationsOf(*entry.file, *entry.device)};
      device.auto_allowed = IsAutoAllowed(name, device.annotations);
      out.push_back(std::move(device));
    }
    return out;
  });
}

absl::StatusOr<std::vector<std::string>> Registry::Find(const std::vector<Request>& requests) {
  const std::vector<Device> all = List();
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const Request& request : requests) {
    size_t equals = request.name.find('=');
    std::string kind = request.name.substr(0, equals), name = equals == std::string::npos ? "" : request.name.substr(equals + 1);
    std::vector<std::string> found;
    bool has_vendor = !SplitKind(kind).first.empty();
    for (const Device& device : all) {
      bool of_kind = device.name.starts_with(kind + "=");
      bool wanted = name.empty() ? of_kind && found.empty() : name == "*" ? of_kind : device.name == request.name;
      if (has_vendor && wanted) found.push_back(device.name);
    }
    if (found.empty()) {
      for (const Device& device : all) {
        auto label = device.annotations.find(kClass);
        if (label != device.annotations.end() && label->second == request.name) found.push_back(device.name);
      }
    }
    if (found.empty() && !request.optional) return NotFound("required device ", Quote(request.name), " is not registered");
    if (found.empty()) log::Warning("optional device is not registered", {{"device", request.name}});
    for (std::string& one : found) {
      if (seen.insert(one).second) out.push_back(std::move(one));
    }
  }
  return out;
}

absl::StatusOr<exec::ContainerEdits> Registry::EditsOf(const std::vector<std::string>& names) {
  std::map<std::string, Entry> devices = state_.With([&](State& state) {
    Refresh(state);
    return state.devices;
  });
  exec::ContainerEdits out;
  std::set<const SpecFile*> files;
  for (const std::string& name : names) {
    auto found = devices.find(name);
    if (found == devices.end()) return NotFound("CDI device injection failed: unresolvable CDI devices ", name);
    const Entry& entry = found->second;
    absl::Status status;
    if (files.insert(entry.file.get()).second) status = Add(entry.file->edits, out);
    if (status.ok()) status = Add(entry.device->edits, out);
    if (!status.ok()) return Annotate(status, "CDI device injection failed: failed to inject devices");
  }
  return out;
}

}  // namespace bk::cdi
