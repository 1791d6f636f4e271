// RUN: command line, heredocs, mounts.
#include "base/path.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {
namespace {

// Values of secrets show as stars in step names.
class MaskedVariables final : public Variables {
 public:
  MaskedVariables(const RunInstruction& run, const Variables& base) : base_(base) {
    for (const RunMount& mount : run.mounts) {
      if (mount.type == MountType::kSecret && mount.env) masked_.insert(*mount.env);
    }
  }
  std::optional<std::string_view> Get(std::string_view name) const override {
    if (masked_.contains(std::string(name))) return "****";
    return base_.Get(name);
  }

 private:
  const Variables& base_;
  std::set<std::string> masked_;
};

std::string FirstLine(const std::string& text) {
  std::string trimmed(TrimSpace(text));
  size_t end = trimmed.find('\n');
  if (end == std::string::npos) return trimmed;
  std::string line = trimmed.substr(0, end);
  if (line.ends_with('\r')) line.pop_back();
  return line + "...";
}

class RunDispatcher {
 public:
  RunDispatcher(Conversion& conversion, StageState& stage, const Command& command)
      : c_(conversion), stage_(stage), command_(command), run_(*command.instruction.As<RunInstruction>()) {}

  absl::Status Dispatch() {
    args_ = run_.args;
    shown_ = command_.instruction.code;
    if (!run_.files.empty()) BK_RETURN_IF_ERROR(TakeHeredocs());
    if (run_.prepend_shell) args_ = WithShell(stage_.image, args_);
    exec_.args = args_;
    exec_.op.description["com.docker.dockerfile.v1.command"] = command_.instruction.code;
    exec_.op.locations.push_back(c_.LocationOf(command_.instruction.location));
    exec_.op.ignore_cache = stage_.ignore_cache;
    exec_.proxy = c_.proxy;
    stage_.used_paths->insert("/");  // a command may read anything
    for (size_t i = 0; i < run_.mounts.size(); i++) BK_RETURN_IF_ERROR(AddMount(run_.mounts[i], command_.sources[i]));
    BK_RETURN_IF_ERROR(AddOptions());
    Name();
    llb::EnvList env = stage_.state->env();
    stage_.state = stage_.state->Run(std::move(exec_));
    AddHistory(c_, stage_, "RUN " + HistoryText(env), Layer::kMade, true);
    return absl::OkStatus();
  }

 private:
  absl::Status TakeHeredocs();
  absl::Status AddMount(const RunMount& mount, StageState* source);
  absl::Status AddTreeMount(const RunMount& mount, StageState* source);
  void AddSecret(const RunMount& mount);
  absl::Status AddOptions();
  void Name();
  std::string HistoryText(const llb::EnvList& env) const;

  Conversion& c_;
  StageState& stage_;
  const Command& command_;
  const RunInstruction& run_;
  std::vector<std::string> args_;
  std::string shown_;
  llb::ExecOptions exec_;
};

absl::Status RunDispatcher::TakeHeredocs() {
  if (args_.size() != 1 || !run_.prepend_shell) return InvalidArgument("parsing produced an invalid run command");
  auto word = ParseHeredocWord(args_[0]);
  if (!word.ok() || !*word) {
    // The shell makes of it what it likes.
    for (const HeredocFile& file : run_.files) args_[0] += "\n" + file.data + file.name;
    return absl::OkStatus();
  }
  const HeredocFile& file = run_.files[0];
  std::string data = file.chomp ? ChompHeredoc(file.data) : file.data;
  shown_ += " (" + FirstLine(file.data) + ")";
  if (stage_.image.platform.os == "windows" || !data.starts_with("#!")) {
    args_ = {data};  // a heredoc for shells that know none
    return absl::OkStatus();
  }
  llb::OpOptions options;
  options.Name("[internal] preparing inline document");
  options.platform = stage_.platform;
  llb::State script = llb::State::Scratch(c_.graph).SetDir("/").File({llb::MakeFileStep(file.name, 0755, data)}, std::move(options));
  llb::ExecMount mount;
  mount.target = "/dev/pipes/";
  mount.source = script.output();
  mount.selector = "/";
  mount.read_only = true;
  exec_.mounts.push_back(std::move(mount));
  args_ = {JoinPath("/dev/pipes", file.name)};
  return absl::OkStatus();
}

void RunDispatcher::AddSecret(const RunMount& mount) {
  llb::ExecSecret secret;
  secret.id = !mount.source.empty() ? mount.source : mount.cache_id;
  if (secret.id.empty()) secret.id = BaseName(mount.target);
  if (!mount.target.empty()) secret.target = mount.target;
  if (!mount.env) secret.target = mount.target.empty() ? "/run/secrets/" + BaseName(secret.id) : mount.target;
  secret.env = mount.env;
  secret.optional = !mount.required;
  secret.mode = mount.mode.value_or(0400);
  secret.uid = mount.uid.value_or(0);
  secret.gid = mount.gid.value_or(0);
  stage_.outline.secrets.try_emplace(secret.id, Outline::Mount{secret.id, mount.required, command_.instruction.location});
  exec_.secrets.push_back(std::move(secret));
}

absl::Status RunDispatcher::AddMount(const RunMount& mount, StageState* source) {
  bool has_source = !mount.from.empty() || mount.type == MountType::kCache;
  if (has_source && !source->dispatched) {
    return InvalidArgument("cannot mount from stage ", Quote(mount.from), " to ", Quote(mount.target),
                           ", stage needs to be defined before current command");
  }
  if (mount.type == MountType::kSecret) return AddSecret(mount), absl::OkStatus();
  if (mount.type != MountType::kSsh) return AddTreeMount(mount, has_source ? source : nullptr);
  if (!mount.source.empty()) return InvalidArgument("ssh does not support source");
  llb::ExecSsh ssh;
  ssh.id = mount.cache_id;
  ssh.target = mount.target;
  ssh.optional = !mount.required;
  ssh.mode = mount.mode.value_or(0600);
  ssh.uid = mount.uid.value_or(0);
  ssh.gid = mount.gid.value_or(0);
  std::string name = ssh.id.empty() ? "default" : ssh.id;
  stage_.outline.ssh.try_emplace(name, Outline::Mount{name, mount.required, command_.instruction.location});
  exec_.ssh.push_back(std::move(ssh));
  return absl::OkStatus();
}

absl::Status RunDispatcher::AddTreeMount(const RunMount& mount, StageState* source) {
  llb::ExecMount out;
  llb::State tree = source != nullptr ? *source->state : llb::State(c_.graph, c_.context_promise);
  if (mount.type == MountType::kTmpfs) {
    tree = llb::State::Scratch(c_.graph);
    out.tmpfs = true;
    out.tmpfs_size_bytes = mount.size_limit;
  }
  out.read_only = mount.read_only;
  out.no_output = !mount.read_only && mount.type == MountType::kBind && c_.Supports("exec.mount.bind.readwrite-nooutput");
  if (mount.type == MountType::kCache) {
    out.cache_id = c_.options.cache_id_namespace + "/" + (mount.cache_id.empty() ? CleanPath(mount.target) : mount.cache_id);
    out.sharing = mount.sharing == "private"  ? pb::CacheSharingOpt::PRIVATE
                  : mount.sharing == "locked" ? pb::CacheSharingOpt::LOCKED
                                              : pb::CacheSharingOpt::SHARED;
  }
  out.target = IsAbsolutePath(CleanPath(mount.target)) ? mount.target : JoinPath("/", stage_.state->dir(), mount.target);
  if (out.target == "/") return InvalidArgument("invalid mount target ", Quote(out.target));
  std::string selector = JoinPath("/", mount.source);
  if (selector != "/") {
    out.selector = selector;
  } else if (mount.uid || mount.gid || mount.mode) {
    // Permissions of a directory that does not exist yet: make it inside the source.
    llb::OpOptions options;
    options.Name("[internal] setting cache mount permissions");
    auto owner = llb::Owner::Ids(mount.uid.value_or(0), mount.gid.value_or(0));
    tree = tree.File({llb::MakeDirStep("/cache", mount.mode.value_or(0755), false, owner, std::nullopt)}, std::move(options));
    out.selector = "/cache";
  }
  out.source = tree.output();
  exec_.mounts.push_back(std::move(out));
  (source == nullptr ? stage_.context_paths : *source->used_paths).insert(JoinPath("/", mount.source));
  return absl::OkStatus();
}

absl::Status RunDispatcher::AddOptions() {
  if (run_.security == "insecure") exec_.security = pb::SecurityMode::INSECURE;
  if (run_.network == "none") exec_.network = pb::NetMode::NONE;
  if (run_.network == "host") exec_.network = pb::NetMode::HOST;
  if (!run_.devices.empty()) return InvalidArgument("device feature is only supported in Dockerfile frontend 1.14.0-labs or later");
  if (c_.Supports("exec.meta.ulimit")) exec_.ulimits = c_.options.ulimits;
  exec_.extra_hosts = c_.options.extra_hosts;
  if (c_.options.shm_size_bytes > 0 && c_.Supports("exec.mount.tmpfs.size")) {
    llb::ExecMount shm;
    shm.target = "/dev/shm";
    shm.tmpfs = true;
    shm.tmpfs_size_bytes = c_.options.shm_size_bytes;
    exec_.mounts.push_back(std::move(shm));
  }
  if (c_.Supports("exec.meta.cgroup.parent")) exec_.cgroup_parent = c_.options.cgroup_parent;
  if (c_.Supports("exec.meta.linux.resources")) exec_.op.linux_resources = c_.options.linux_resources;
  return absl::OkStatus();
}

void RunDispatcher::Name() {
  const llb::EnvList& env = stage_.state->env();
  EnvVariables variables(env);
  Lex lex(c_.lex.escape(), {.raw_quotes = true, .skip_unset = true});
  std::string shown = ShownCommand(lex, shown_, MaskedVariables(run_, variables));
  exec_.op.Name(PrefixedName(c_, stage_, shown, stage_.state->platform(), env));
}

// "|2 A=1 B=2 /bin/sh -c …": the arguments that were in force stand first.
std::string RunDispatcher::HistoryText(const llb::EnvList& env) const {
  std::vector<std::string> keys;
  std::map<std::string, std::string> values;
  for (const BuildArgument& argument : stage_.build_args) {
    auto value = env.Get(argument.key);
    std::string text = value ? std::string(*value) : argument.value.value_or("");
    if (values.insert_or_assign(argument.key, text).second) keys.push_back(argument.key);
  }
  std::string out = keys.empty() ? "" : StrCat("|", keys.size(), " ");
  for (const std::string& key : keys) out += key + "=" + values[key] + " ";
  for (size_t i = 0; i < args_.size(); i++) out += (i == 0 ? "" : " ") + args_[i];
  return out;
}

}  // namespace

absl::Status DispatchRun(Conversion& conversion, StageState& stage, const Command& command) {
  return RunDispatcher(conversion, stage, command).Dispatch();
}

}  // namespace bk::dockerfile
