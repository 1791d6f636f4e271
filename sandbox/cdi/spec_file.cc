#include "sandbox/cdi/spec_file.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "base/yaml/yaml.h"

namespace bk::cdi {
namespace {

using Json = nlohmann::json;

// In their order.
constexpr std::string_view kVersions[] = {"0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"};
constexpr std::string_view kHooks[] = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
constexpr size_t kMaxClosId = 4096;

size_t VersionIndex(std::string_view version) {
  if (version.starts_with('v')) version.remove_prefix(1);
  return static_cast<size_t>(std::find(std::begin(kVersions), std::end(kVersions), version) - std::begin(kVersions));
}

// Reads the keys of one object; Finish refuses what nobody asked for.
class Fields {
 public:
  Fields(const Json& object, std::string what, absl::Status& status) : object_(object), what_(std::move(what)), status_(status) {
    if (!object.is_object()) Fail("is no mapping");
  }

  const Json* Get(const char* key) {
    known_.insert(key);
    if (!object_.is_object()) return nullptr;
    auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  void Read(const char* key, std::string& out) {
    if (const Json* value = Get(key)) out = TextOf(*value, key);
  }
  void Read(const char* key, std::vector<std::string>& out) {
    for (const Json& value : List(key)) out.push_back(TextOf(value, key));
  }
  void Read(const char* key, std::map<std::string, std::string>& out) {
    const Json* value = Get(key);
    if (value == nullptr) return;
    if (!value->is_object()) return Fail(StrCat("has no mapping as ", key));
    for (const auto& [name, text] : value->items()) out[name] = TextOf(text, key);
  }
  template <typename T>
  void ReadNumber(const char* key, T& out) {
    if (const Json* value = Get(key)) out = NumberOf<T>(*value, key);
  }
  template <typename T>
  void ReadNumber(const char* key, std::optional<T>& out) {
    if (const Json* value = Get(key)) out = NumberOf<T>(*value, key);
  }
  void Read(const char* key, bool& out) {
    const Json* value = Get(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fail(StrCat("has no truth value as ", key));
    out = value->get<bool>();
  }
  const Json& List(const char* key) {
    static const Json none = Json::array();
    const Json* value = Get(key);
    if (value != nullptr && !value->is_array()) Fail(StrCat("has no list as ", key));
    return value != nullptr && value->is_array() ? *value : none;
  }
  template <typename T>
  T NumberOf(const Json& value, const char* key) {
    if (value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<T>::max())) return static_cast<T>(value.get<uint64_t>());
    if (std::is_signed_v<T> && value.is_number_integer() && !value.is_number_unsigned()) return static_cast<T>(value.get<int64_t>());
    Fail(StrCat("has no number that fits as ", key));
    return 0;
  }
  void Fail(std::string_view how) {
    if (status_.ok()) status_ = InvalidArgument(what_, " ", how);
  }
  ~Fields() {
    if (!object_.is_object()) return;
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) Fail(StrCat("has the unknown key ", Quote(key)));
    }
  }

 private:
  // Unquoted numbers and truth values are texts where texts are wanted.
  std::string TextOf(const Json& value, const char* key) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    Fail(StrCat("has no text as ", key));
    return "";
  }
  const Json& object_;
  const std::string what_;
  absl::Status& status_;
  std::set<std::string> known_;
};

absl::Status CheckEnv(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos) return InvalidArgument("invalid environment variable ", Quote(entry));
  }
  return absl::OkStatus();
}

absl::Status ReadNode(const Json& json, Edits& out) {
  absl::Status status;
  NodeEdit edit;
  {
    Fields fields(json, "device node", status);
    fields.Read("path", edit.node.path);
    fields.Read("hostPath", edit.host_path);
    fields.Read("type", edit.node.type);
    fields.ReadNumber("major", edit.node.major);
    fields.ReadNumber("minor", edit.node.minor);
    fields.ReadNumber("fileMode", edit.node.mode);
    fields.Read("permissions", edit.node.access);
    fields.ReadNumber("uid", edit.node.uid);
    fields.ReadNumber("gid", edit.node.gid);
  }
  BK_RETURN_IF_ERROR(status);
  const exec::DeviceNode& node = edit.node;
  if (node.path.empty()) return InvalidArgument("invalid (empty) device path");
  if (node.type.size() > 1 || std::string_view("bcup").find(node.type) == std::string_view::npos) return InvalidArgument("device ", Quote(node.path), ": invalid type ", Quote(node.type));
  if (node.access.find_first_not_of("rwm") != std::string::npos) return InvalidArgument("device ", Quote(node.path), ": invalid permissions ", Quote(node.access));
  out.nodes.push_back(std::move(edit));
  return absl::OkStatus();
}

absl::Status ReadMount(const Json& json, exec::ContainerEdits& out) {
  absl::Status status;
  exec::DeviceMount mount;
  {
    Fields fields(json, "mount", status);
    fields.Read("hostPath", mount.host_path);
    fields.Read("containerPath", mount.container_path);
    fields.Read("options", mount.options);
    fields.Read("type", mount.type);
  }
  BK_RETURN_IF_ERROR(status);
  if (mount.host_path.empty()) return InvalidArgument("invalid mount, empty host path");
  if (mount.container_path.empty()) return InvalidArgument("invalid mount, empty container path");
  out.mounts.push_back(std::move(mount));
  return absl::OkStatus();
}

absl::Status ReadHook(const Json& json, exec::ContainerEdits& out) {
  absl::Status status;
  std::string name;
  exec::Hook hook;
  {
    Fields fields(json, "hook", status);
    fields.Read("hookName", name);
    fields.Read("path", hook.path);
    fields.Read("args", hook.args);
    fields.Read("env", hook.env);
    fields.ReadNumber("timeout", hook.timeout_s);
  }
  BK_RETURN_IF_ERROR(status);
  if (std::find(std::begin(kHooks), std::end(kHooks), name) == std::end(kHooks)) return InvalidArgument("invalid hook name ", Quote(name));
  if (hook.path.empty()) return InvalidArgument("invalid hook ", Quote(name), " with empty path");
  if (auto env = CheckEnv(hook.env); !env.ok()) return Annotate(env, StrCat("invalid hook ", Quote(name)));
  out.hooks.emplace_back(std::move(name), std::move(hook));
  return absl::OkStatus();
}

absl::Status ReadNetDevice(const Json& json, exec::ContainerEdits& out) {
  absl::Status status;
  exec::NetDevice device;
  {
    Fields fields(json, "net device", status);
    fields.Read("hostInterfaceName", device.host_name);
    fields.Read("name", device.name);
  }
  BK_RETURN_IF_ERROR(status);
  if (device.host_name.empty() || device.name.empty()) return InvalidArgument("invalid linux net device, empty ", device.host_name.empty() ? "HostInterfaceName" : "Name");
  for (const exec::NetDevice& other : out.net_devices) {
    if (other.host_name == device.host_name) return InvalidArgument("invalid linux net device, duplicate HostInterfaceName ", Quote(device.host_name));
    if (other.name == device.name) return InvalidArgument("invalid linux net device, duplicate Name ", Quote(device.name));
  }
  out.net_devices.push_back(std::move(device));
  return absl::OkStatus();
}

absl::Status ReadRdt(const Json& json, exec::ContainerEdits& out) {
  absl::Status status;
  exec::IntelRdt& rdt = out.rdt.emplace();
  {
    Fields fields(json, "intelRdt", status);
    fields.Read("closID", rdt.closid);
    fields.Read("l3CacheSchema", rdt.l3_cache_schema);
    fields.Read("memBwSchema", rdt.mem_bw_schema);
    fields.Read("schemata", rdt.schemata);
    fields.Read("enableMonitoring", rdt.enable_monitoring);
  }
  BK_RETURN_IF_ERROR(status);
  const std::string& id = rdt.closid;
  bool odd = id.size() >= kMaxClosId || id == "." || id == ".." || id.find_first_of("/\n") != std::string::npos;
  return odd && id != "/" ? InvalidArgument("invalid ClosID") : absl::OkStatus();
}

absl::Status ReadEdits(const Json& json, Edits& out) {
  absl::Status status;
  {
    Fields fields(json, "containerEdits", status);
    fields.Read("env", out.rest.env);
    auto each = [&](const char* key, auto&& read) {
      for (const Json& item : fields.List(key)) status.Update(read(item));
    };
    each("deviceNodes", [&](const Json& item) { return ReadNode(item, out); });
    each("netDevices", [&](const Json& item) { return ReadNetDevice(item, out.rest); });
    each("hooks", [&](const Json& item) { return ReadHook(item, out.rest); });
    each("mounts", [&](const Json& item) { return ReadMount(item, out.rest); });
    if (const Json* rdt = fields.Get("intelRdt")) status.Update(ReadRdt(*rdt, out.rest));
    for (const Json& gid : fields.List("additionalGids")) out.rest.additional_gids.push_back(fields.NumberOf<uint32_t>(gid, "additionalGids"));
  }
  BK_RETURN_IF_ERROR(status);
  if (auto env = CheckEnv(out.rest.env); !env.ok()) return Annotate(env, "invalid container edits");
  return absl::OkStatus();
}

// Letters, digits and `more`, a letter or digit at both ends.
bool IsName(std::string_view name, std::string_view more, bool digit_first) {
  auto alnum = [](char c) { return isalnum(static_cast<unsigned char>(c)) != 0; };
  if (name.empty() || !alnum(name.front()) || !alnum(name.back()) || (!digit_first && isdigit(static_cast<unsigned char>(name.front())) != 0)) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || more.find(c) != std::string_view::npos; });
}

std::string_view NeededByEdits(const Edits& edits) {
  const exec::ContainerEdits& rest = edits.rest;
  if (!rest.net_devices.empty() || (rest.rdt && (!rest.rdt->schemata.empty() || rest.rdt->enable_monitoring))) return "1.1.0";
  if (rest.rdt || !rest.additional_gids.empty()) return "0.7.0";
  if (std::any_of(edits.nodes.begin(), edits.nodes.end(), [](const NodeEdit& node) { return !node.host_path.empty(); })) return "0.5.0";
  if (std::any_of(rest.mounts.begin(), rest.mounts.end(), [](const exec::DeviceMount& mount) { return !mount.type.empty(); })) return "0.4.0";
  return "0.3.0";
}

// The version that has everything that the file uses.
size_t NeededVersion(const SpecFile& file) {
  size_t needed = VersionIndex(NeededByEdits(file.edits));
  auto need = [&](std::string_view version) { needed = std::max(needed, VersionIndex(version)); };
  if (!file.annotations.empty() || SplitKind(file.kind).second.find('.') != std::string_view::npos) need("0.6.0");
  for (const FileDevice& device : file.devices) {
    need(NeededByEdits(device.edits));
    if (!device.annotations.empty()) need("0.6.0");
    if (isdigit(static_cast<unsigned char>(device.name[0])) != 0) need("0.5.0");
  }
  return needed;
}

absl::Status ReadDevice(const Json& json, SpecFile& file) {
  absl::Status status;
  FileDevice device;
  {
    Fields fields(json, "device", status);
    fields.Read("name", device.name);
    fields.Read("annotations", device.annotations);
    if (const Json* edits = fields.Get("containerEdits")) status.Update(ReadEdits(*edits, device.edits));
  }
  if (!status.ok()) return Annotate(status, StrCat("invalid device ", Quote(device.name)));
  if (!IsName(device.name, "_-.:", true)) return InvalidArgument("invalid device name ", Quote(device.name), " (letters, digits, _ - . : are allowed, letters and digits at its ends)");
  if (device.edits.empty()) return InvalidArgument("failed add device ", Quote(device.name), ": invalid device, empty device edits");
  for (const FileDevice& other : file.devices) {
    if (other.name == device.name) return InvalidArgument("invalid spec, multiple device ", Quote(device.name));
  }
  file.devices.push_back(std::move(device));
  return absl::OkStatus();
}

absl::Status CheckFile(const SpecFile& file, const std::string& version) {
  size_t index = VersionIndex(version);
  if (index == std::size(kVersions)) return InvalidArgument("invalid version ", Quote(version));
  auto [vendor, device_class] = SplitKind(file.kind);
  if (!IsName(vendor, "_-.", false)) return InvalidArgument("invalid vendor. ", Quote(vendor), " of the kind ", Quote(file.kind));
  if (!IsName(device_class, "_-.", false)) return InvalidArgument("invalid class. ", Quote(device_class), " of the kind ", Quote(file.kind));
  if (file.devices.empty()) return InvalidArgument("invalid spec, no devices");
  if (size_t needed = NeededVersion(file); needed > index) return InvalidArgument("the spec version must be at least v", kVersions[needed]);
  return absl::OkStatus();
}

}  // namespace

std::pair<std::string_view, std::string_view> SplitKind(std::string_view kind) {
  size_t slash = kind.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == kind.size()) return {{}, kind};
  return {kind.substr(0, slash), kind.substr(slash + 1)};
}

absl::StatusOr<SpecFile> ParseSpecFile(std::string_view text) {
  BK_TRY(std::string as_json, YamlToJson(text));
  Json json = Json::parse(as_json, nullptr, false);
  if (json.is_discarded()) return InvalidArgument("no text in UTF-8");
  if (json.is_null()) return InvalidArgument("no data");
  SpecFile file;
  std::string version;
  absl::Status status;
  {
    Fields fields(json, "CDI file", status);
    fields.Read("cdiVersion", version);
    fields.Read("kind", file.kind);
    fields.Read("annotations", file.annotations);
    for (const Json& device : fields.List("devices")) status.Update(ReadDevice(device, file));
    if (const Json* edits = fields.Get("containerEdits")) status.Update(ReadEdits(*edits, file.edits));
  }
  BK_RETURN_IF_ERROR(status);
  BK_RETURN_IF_ERROR(CheckFile(file, version));
  return file;
}

}  // namespace bk::cdi
