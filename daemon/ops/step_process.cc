#include "daemon/ops/step_process.h"

#include <algorithm>

#include "daemon/ops/build_error.h"
#include "sandbox/oci/ip_address.h"

namespace bk::ops {
namespace {

bool HasVariable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& entry) { return entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '='; });
}

void AddProxyEnv(const pb::ProxyEnv& proxy, std::vector<std::string>& env) {
  auto add = [&](const std::string& value, const char* upper, const char* lower) {
    if (value.empty()) return;
    env.push_back(StrCat(upper, "=", value));
    env.push_back(StrCat(lower, "=", value));
  };
  add(proxy.http_proxy(), "HTTP_PROXY", "http_proxy");
  add(proxy.https_proxy(), "HTTPS_PROXY", "https_proxy");
  add(proxy.ftp_proxy(), "FTP_PROXY", "ftp_proxy");
  add(proxy.no_proxy(), "NO_PROXY", "no_proxy");
  add(proxy.all_proxy(), "ALL_PROXY", "all_proxy");
}

// The executor writes them; here is where a wrong one is the op's error and not the process's.
absl::Status CheckIp(const std::string& text) {
  auto address = oci::ParseIp(text);
  return address.ok() && address->zone.empty() ? absl::OkStatus() : Unknown("failed to parse IP ", text);
}

}  // namespace

absl::StatusOr<exec::ProcessSpec> ProcessOf(const pb::ExecOp& op, const OpRequest& request) {
  const pb::Meta& meta = op.meta();
  exec::ProcessSpec process;
  process.args.assign(meta.args().begin(), meta.args().end());
  process.env.assign(meta.env().begin(), meta.env().end());
  if (meta.has_proxy_env()) AddProxyEnv(meta.proxy_env(), process.env);
  if (!HasVariable(process.env, "PATH")) process.env.push_back(StrCat("PATH=", exec::kDefaultPath));
  process.cwd = meta.cwd();
  process.user = meta.user();
  process.hostname = meta.hostname();
  for (const pb::HostIP& host : meta.extrahosts()) {
    BK_RETURN_IF_ERROR(CheckIp(host.ip()));
    process.extra_hosts.push_back({host.host(), host.ip()});
  }
  for (const pb::Ulimit& limit : meta.ulimit()) {
    process.ulimits.push_back({limit.name(), static_cast<uint64_t>(limit.soft()), static_cast<uint64_t>(limit.hard())});
  }
  process.cgroup_parent = meta.cgroupparent();
  process.network = op.network() == pb::HOST ? exec::NetworkMode::kHost : op.network() == pb::NONE ? exec::NetworkMode::kNone : exec::NetworkMode::kUnset;
  process.security = op.security() == pb::INSECURE ? exec::SecurityMode::kInsecure : exec::SecurityMode::kSandbox;
  process.remove_mount_stubs_recursive = meta.removemountstubsrecursive();
  process.valid_exit_codes.assign(meta.validexitcodes().begin(), meta.validexitcodes().end());
  process.resources = request.resources;
  return process;
}

absl::Status CheckModes(const pb::ExecOp& op) {
  if (!pb::NetMode_IsValid(op.network())) return Unknown("unknown network mode ", static_cast<int>(op.network()));
  if (!pb::SecurityMode_IsValid(op.security())) return Unknown("invalid security mode ", static_cast<int>(op.security()));
  return absl::OkStatus();
}

solver::WarningEvent UnlimitedWarning() {
  solver::WarningEvent warning;
  warning.level = 1;
  warning.short_text = "limits of memory and processors are not enforced: a rootless daemon has no control groups for its steps";
  return warning;
}

bool IsValidExit(const std::vector<int>& valid, int code) {
  return valid.empty() ? code == 0 : std::find(valid.begin(), valid.end(), code) != valid.end();
}

absl::Status ExitError(const std::string& command_line, const exec::StepExit& exit) {
  std::string frame = StrCat("process ", Quote(command_line), " did not complete successfully: ");
  absl::Status status = exit.out_of_memory ? ResourceExhausted(frame, "cannot allocate memory") : Unknown(frame, "exit code: ", exit.code);
  AddDetail(status, {"gatewayapi.ExitMessage", exit.code == 0 ? "{}" : StrCat("{\"Code\":", exit.code, "}")});
  return status;
}

absl::Status StartError(const std::string& command_line, const absl::Status& cause) {
  return Annotate(BuildError(cause), StrCat("process ", Quote(command_line), " did not complete successfully"));
}

}  // namespace bk::ops
