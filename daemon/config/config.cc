#include "daemon/config/config.h"

#include <sys/statvfs.h>

#include "base/flags.h"
#include "base/os/file.h"
#include "base/version.h"
#include "daemon/config/apply.h"
#include "daemon/config/flag_set.h"
#include "daemon/config/gc.h"
#include "daemon/config/table.h"
#include "daemon/config/toml_file.h"

namespace bk::config {
namespace {

constexpr uint64_t kFileLimit = 1 << 20;

// Size of the disk that holds `path` or will hold it; 0 when it cannot be told.
int64_t DiskBytes(std::string path) {
  struct statvfs fs;
  while (statvfs(path.c_str(), &fs) < 0) {
    if (path == "/" || path == ".") return 0;
    path = os::DirName(path);
  }
  return static_cast<int64_t>(fs.f_blocks) * static_cast<int64_t>(fs.f_frsize);
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Whether the containerd worker is switched on or off, by flag or else by key; nothing if neither says so.
absl::StatusOr<std::optional<bool>> ContainerdWanted(const flags::Values& values, const Table& file) {
  if (values.IsSet("containerd-worker")) return ParseBoolOrAuto(values.String("containerd-worker"));
  const Table* worker = Get<Table>(file, "worker");
  const Table* containerd = worker == nullptr ? nullptr : Get<Table>(*worker, "containerd");
  const bool* enabled = containerd == nullptr ? nullptr : Get<bool>(*containerd, "enabled");
  return enabled == nullptr ? std::nullopt : std::optional<bool>(*enabled);
}

absl::Status ReadConfigFile(const std::string& path, const flags::Values& values, Config& config) {
  auto text = os::ReadFile(path, kFileLimit);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (!text.ok()) return Annotate(text.status(), "failed to read the configuration");
  auto file = ReadToml(*text);
  if (!file.ok()) return InvalidArgument("failed to parse config: ", path, ": ", Message(file.status()));
  if (!file->unknown.empty()) return InvalidArgument(path, ": unknown key ", Joined(file->unknown));
  BK_TRY(std::optional<bool> containerd, ContainerdWanted(values, file->table));
  if (containerd.value_or(false)) return Unimplemented(path, ": the containerd worker is not built yet (leave out worker.containerd.enabled = true)");
  // Settings of a worker that is switched off mean nothing, here as in the reference.
  if (containerd) std::erase_if(file->not_built, [](const std::string& key) { return key.starts_with("worker.containerd."); });
  if (!file->not_built.empty()) return Unimplemented(path, ": not built yet: ", Joined(file->not_built));
  absl::Status applied = ApplyFile(file->table, config);
  return applied.ok() ? applied : Annotate(applied, path);
}

absl::Status CheckBuilt(const flags::Values& values) {
  for (const FlagRow& row : FlagRows()) {
    if (!row.built() && values.IsSet(row.name)) return Unimplemented("--", row.name, " is not built yet");
  }
  return absl::OkStatus();
}

}  // namespace

flags::Command CommandLine(const Surroundings& here, int64_t disk_total_bytes) {
  DefaultPaths paths = PathsFor(here);
  std::string userns = here.in_user_namespace ? "true" : "";
  const std::map<std::string_view, std::string> values = {{"$root", paths.root},      {"$address", paths.address}, {"$config", paths.config_file},
                                                          {"$cni", paths.cni_config}, {"$userns", userns},         {"$gc", GcFlagText(OciWorker(), disk_total_bytes)}};
  flags::Command command;
  command.name = "buildkitd";
  command.usage = "build daemon";
  for (const FlagRow& row : FlagRows()) {
    flags::Flag flag;
    flag.name = row.name;
    flag.kind = row.kind;
    flag.usage = row.doc;
    auto named = values.find(row.value);
    flag.value = named == values.end() ? row.value : named->second;
    auto variable = row.variable == nullptr ? here.env.end() : here.env.find(row.variable);
    if (variable != here.env.end() && !variable->second.empty()) flag.value = variable->second;
    flag.hidden = (row.traits & kHidden) != 0 || !row.built();
    command.flags.push_back(std::move(flag));
  }
  command.action = [](const flags::Values&) { return absl::OkStatus(); };
  return command;
}

absl::StatusOr<Parsed> Parse(const std::vector<std::string>& args, const Surroundings& here) {
  DefaultPaths paths = PathsFor(here);
  flags::Command command = CommandLine(here, DiskBytes(paths.root));
  std::string version_line = StrCat("buildkitd ", kPackage, " ", kVersion, " ", kRevision, "\n");
  flags::Parsed line = flags::Parse(command, kVersion, version_line, args);
  if (!line.error.ok()) return InvalidArgument(line.complaint.empty() ? Message(line.error) : line.complaint);
  if (line.command == nullptr) return Parsed{{}, line.out};
  const flags::Values& values = line.values;
  if (!values.args().empty()) return InvalidArgument("unexpected argument ", Quote(values.args()[0]), " (buildkitd takes flags only)");
  BK_RETURN_IF_ERROR(CheckBuilt(values));
  Parsed parsed;
  Config& config = parsed.config;
  config.root = paths.root;
  config.addresses = {paths.address};
  config.otel_socket_path = paths.otel_socket;
  config.rootless = config.oci.rootless = here.in_user_namespace;
  config.cdi_spec_dirs = {"/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"};
  config.certificate_roots = {paths.certificates};
  config.oci.cni_config = paths.cni_config;
  config.log_level = values.String("log-level");  // $BUILDKITD_LOG_LEVEL or the default
  BK_RETURN_IF_ERROR(ReadConfigFile(values.String("config"), values, config));
  BK_RETURN_IF_ERROR(ApplyFlags(values, config));
  config.otel_socket_is_default = config.otel_socket_path == paths.otel_socket;
  BK_RETURN_IF_ERROR(Check(config, here));
  return parsed;
}

}  // namespace bk::config
