// The operation that runs a command.
#include <algorithm>

#include "proto/llb/state.h"

namespace bk::llb {
namespace {

// What the state says at the time of the command.
struct Surroundings {
  EnvList env;
  std::string dir, user, hostname;
  pb::NetMode network;
};

class ExecVertex final : public Vertex {
 public:
  ExecVertex(Output root, Surroundings around, ExecOptions given) : around_(std::move(around)), exec_(std::move(given)) {
    options = std::move(exec_.op);
    ExecMount root_mount;
    root_mount.target = "/";
    root_mount.source = root;
    exec_.mounts.insert(exec_.mounts.begin(), std::move(root_mount));
    // By target, so that the order of flags does not matter; the root comes first.
    std::stable_sort(exec_.mounts.begin(), exec_.mounts.end(), [](const auto& a, const auto& b) { return a.target < b.target; });
    CompleteSsh();
    AddCaps();
  }

  bool platform_specific() const override { return true; }

  std::vector<Output> Inputs() const override {
    std::vector<Output> inputs;
    for (const ExecMount& mount : exec_.mounts) {
      if (!mount.source.empty()) inputs.push_back(mount.source);
    }
    return inputs;
  }

  absl::StatusOr<pb::Op> Build(InputTable& inputs) const override {
    if (exec_.args.empty()) return InvalidArgument("arguments are required");
    if (around_.dir.empty()) return InvalidArgument("working directory is required");
    pb::Op op;
    pb::ExecOp& exec = *op.mutable_exec();
    FillMeta(*exec.mutable_meta());
    exec.set_network(around_.network);
    exec.set_security(exec_.security);
    for (const auto& device : exec_.devices) *exec.add_cdidevices() = device;
    int64_t outputs = 0;
    for (const ExecMount& mount : exec_.mounts) *exec.add_mounts() = MountToPb(mount, inputs, outputs);
    AddSecrets(exec);
    return op;
  }

 private:
  void CompleteSsh() {
    for (size_t i = 0; i < exec_.ssh.size(); i++) {
      if (exec_.ssh[i].target.empty()) exec_.ssh[i].target = StrCat("/run/buildkit/ssh_agent.", i);
    }
    if (!exec_.ssh.empty() && !around_.env.Get("SSH_AUTH_SOCK")) around_.env.Set("SSH_AUTH_SOCK", exec_.ssh[0].target);
  }

  void AddCaps() {
    std::set<std::string>& caps = options.caps;
    caps.insert({"exec.meta.base", "exec.meta.setsdefaultpath"});
    if (!exec_.ulimits.empty()) caps.insert("exec.meta.ulimit");
    if (options.linux_resources) caps.insert("exec.meta.linux.resources");
    if (around_.network != pb::NetMode::UNSET) caps.insert("exec.meta.network");
    if (exec_.security == pb::SecurityMode::INSECURE) caps.insert("exec.meta.security");
    if (exec_.proxy) caps.insert("exec.meta.proxyenv");
    for (const ExecMount& mount : exec_.mounts) {
      if (!mount.selector.empty()) caps.insert("exec.mount.selector");
      if (!mount.cache_id.empty()) {
        caps.insert({"exec.mount.cache", "exec.mount.cache.sharing"});
      } else if (mount.tmpfs) {
        caps.insert("exec.mount.tmpfs");
        if (mount.tmpfs_size_bytes > 0) caps.insert("exec.mount.tmpfs.size");
      } else if (!mount.source.empty()) {
        caps.insert("exec.mount.bind");
      }
    }
    if (!exec_.secrets.empty()) caps.insert("exec.mount.secret");
    for (const ExecSecret& secret : exec_.secrets) {
      if (secret.env) caps.insert("exec.secretenv");
    }
    if (!exec_.ssh.empty()) caps.insert("exec.mount.ssh");
    if (!exec_.devices.empty()) caps.insert("exec.meta.cdi");
  }

  void FillMeta(pb::Meta& meta) const {
    for (const std::string& arg : exec_.args) meta.add_args(arg);
    for (std::string& entry : around_.env.ToArray()) meta.add_env(std::move(entry));
    meta.set_cwd(around_.dir);
    meta.set_user(around_.user);
    meta.set_hostname(around_.hostname);
    meta.set_cgroupparent(exec_.cgroup_parent);
    meta.set_removemountstubsrecursive(true);
    for (const auto& host : exec_.extra_hosts) *meta.add_extrahosts() = host;
    for (const auto& limit : exec_.ulimits) *meta.add_ulimit() = limit;
    if (exec_.proxy) *meta.mutable_proxy_env() = *exec_.proxy;
  }

  static pb::Mount MountToPb(const ExecMount& mount, InputTable& inputs, int64_t& outputs) {
    pb::Mount out;
    out.set_input(inputs.Add(mount.source));
    bool has_output = !mount.no_output && !mount.read_only && mount.cache_id.empty() && !mount.tmpfs;
    out.set_output(has_output ? outputs++ : -1);
    out.set_dest(mount.target);
    out.set_readonly(mount.read_only);
    out.set_selector(mount.selector);
    if (!mount.cache_id.empty()) {
      out.set_mounttype(pb::MountType::CACHE);
      out.mutable_cacheopt()->set_id(mount.cache_id);
      out.mutable_cacheopt()->set_sharing(mount.sharing);
    }
    if (mount.tmpfs) {
      out.set_mounttype(pb::MountType::TMPFS);
      out.mutable_tmpfsopt()->set_size(mount.tmpfs_size_bytes);
    }
    return out;
  }

  void AddSecrets(pb::ExecOp& exec) const {
    for (const ExecSecret& secret : exec_.secrets) {
      if (secret.env) {
        pb::SecretEnv* env = exec.add_secretenv();
        env->set_id(secret.id);
        env->set_name(*secret.env);
        env->set_optional(secret.optional);
      }
      if (!secret.target) continue;
      pb::Mount* mount = exec.add_mounts();
      mount->set_input(-1);
      mount->set_dest(*secret.target);
      mount->set_mounttype(pb::MountType::SECRET);
      FillAccess(*mount->mutable_secretopt(), secret);
    }
    for (const ExecSsh& ssh : exec_.ssh) {
      pb::Mount* mount = exec.add_mounts();
      mount->set_input(-1);
      mount->set_dest(ssh.target);
      mount->set_mounttype(pb::MountType::SSH);
      FillAccess(*mount->mutable_sshopt(), ssh);
    }
  }

  template <typename Opt, typename From>
  static void FillAccess(Opt& out, const From& from) {
    out.set_id(from.id);
    out.set_uid(from.uid);
    out.set_gid(from.gid);
    out.set_mode(from.mode);
    out.set_optional(from.optional);
  }

  Surroundings around_;
  ExecOptions exec_;
};

}  // namespace

State State::Run(ExecOptions options) const {
  if (!options.op.platform) options.op.platform = settings_->platform;
  Surroundings around{settings_->env, settings_->dir, settings_->user, settings_->hostname,
                      options.network.value_or(settings_->network)};
  return WithOutput({graph_->Add(std::make_unique<ExecVertex>(output_, std::move(around), std::move(options))), 0});
}

}  // namespace bk::llb
