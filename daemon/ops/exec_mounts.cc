#include "daemon/ops/exec_mounts.h"

#include <algorithm>

#include "base/path.h"
#include "daemon/ops/step_secrets.h"

namespace bk::ops {
namespace {

constexpr int64_t kNoInput = -1, kNoOutput = -1;
constexpr char kRoot[] = "/";

// What shows up at one target: the mounts, or nothing (an optional secret or agent that is not there).
using Shown = std::optional<std::vector<os::Mount>>;

class Preparer {
 public:
  Preparer(const CancelToken& cancel, const MountContext& context, const pb::ExecOp& op, const std::vector<cache::ImmutablePtr>& inputs)
      : cancel_(cancel), context_(context), op_(op), inputs_(inputs) {}

  absl::StatusOr<PreparedMounts> Run() {
    for (const pb::Mount& mount : op_.mounts()) {
      BK_RETURN_IF_ERROR(Add(mount));
      index_++;
    }
    std::stable_sort(out_.mounts.begin(), out_.mounts.end(), [](const exec::StepMount& a, const exec::StepMount& b) { return a.dest < b.dest; });
    return std::move(out_);
  }

 private:
  absl::Status Add(const pb::Mount& mount) {
    bool is_root = mount.dest() == kRoot;
    if (is_root && mount.mounttype() != pb::BIND) return Unknown("invalid mount type ", TypeName(mount), " for ", mount.dest());
    cache::ImmutablePtr input;
    if (mount.input() != kNoInput) {
      if (mount.input() < 0 || mount.input() >= static_cast<int64_t>(inputs_.size())) return Unknown("missing input ", mount.input());
      input = inputs_[static_cast<size_t>(mount.input())];
    }
    BK_TRY(Shown shown, Show(mount, input));
    if (!shown) return absl::OkStatus();
    if (is_root) {
      out_.root = *std::move(shown);
      out_.readonly_root = mount.readonly();
      return absl::OkStatus();
    }
    std::string dest = mount.dest();
    if (!IsAbsolutePath(CleanPath(dest))) dest = JoinPath("/", op_.meta().cwd(), dest);
    out_.mounts.push_back({std::move(dest), *std::move(shown), mount.selector(), mount.readonly()});
    return absl::OkStatus();
  }

  absl::StatusOr<Shown> Show(const pb::Mount& mount, const cache::ImmutablePtr& input) {
    switch (static_cast<int>(mount.mounttype())) {
      case pb::BIND: return Bind(mount, input);
      case pb::CACHE: return Cache(mount, input);
      case pb::TMPFS: return Tmpfs(mount);
      case pb::SECRET: return Secret(mount);
      case pb::SSH: return Ssh(mount);
      default: return Unknown("mount type ", TypeName(mount), " not implemented");
    }
  }

  absl::StatusOr<Shown> Bind(const pb::Mount& mount, const cache::ImmutablePtr& input) {
    bool is_root = mount.dest() == kRoot, has_output = mount.output() != kNoOutput;
    // A read-only mount hands its input on. A read-only root is still written to before the step (mount stubs).
    if (mount.readonly() && input != nullptr && !is_root) {
      if (has_output) out_.outputs.push_back({nullptr, input, index_});
      return Activate(*input, true);
    }
    // A root that is not kept and may be written: the reference shows the input itself, which cannot be.
    if (is_root && !has_output && !mount.readonly()) {
      return input == nullptr ? absl::StatusOr<Shown>(Unknown("mount ", mount.dest(), " has no input")) : Activate(*input, true);
    }
    cache::NewOptions options{StrCat("mount ", mount.dest(), " from exec ", CommandLine(op_))};
    BK_TRY(cache::MutablePtr written, context_.cache->New(cancel_, context_.fetch, input, options));
    const cache::MutableRef& ref = *written;
    if (has_output) {
      out_.outputs.push_back({std::move(written), nullptr, index_});
    } else {
      out_.scratch.push_back({std::move(written), index_});
    }
    return Activate(ref, mount.readonly() && !is_root);
  }

  absl::StatusOr<Shown> Cache(const pb::Mount& mount, const cache::ImmutablePtr& input) {
    if (!mount.has_cacheopt()) return Unknown("missing cache mount options");
    CacheMountRequest request{mount.cacheopt().id(), input};
    switch (static_cast<int>(mount.cacheopt().sharing())) {
      case pb::SHARED: request.sharing = CacheSharing::kShared; break;
      case pb::PRIVATE: request.sharing = CacheSharing::kPrivate; break;
      case pb::LOCKED: request.sharing = CacheSharing::kLocked; break;
      default: return Unknown("invalid cache sharing option: ", static_cast<int>(mount.cacheopt().sharing()));
    }
    request.description = StrCat("cached mount ", mount.dest(), " from exec ", CommandLine(op_));
    if (request.id != mount.dest()) request.description += StrCat(" with id ", Quote(request.id));
    // A key that the step uses twice is one tree, whatever the sharing: a locked one would wait for itself.
    CacheMountPtr& use = caches_[CacheMounts::KeyOf(request)];
    if (use == nullptr) BK_ASSIGN(use, context_.cache_mounts->Get(cancel_, context_.fetch, request));
    out_.caches.push_back(use);
    if (mount.output() != kNoOutput && input != nullptr) out_.outputs.push_back({nullptr, input, index_});
    BK_TRY(Shown shown, use->Show(cancel_, context_.fetch, mount.readonly()));
    return shown;
  }

  absl::StatusOr<Shown> Tmpfs(const pb::Mount& mount) {
    os::Mount tmpfs{"tmpfs", "tmpfs", {"nosuid"}};
    if (mount.readonly()) tmpfs.options.push_back("ro");
    if (mount.tmpfsopt().size() > 0) tmpfs.options.push_back(StrCat("size=", mount.tmpfsopt().size()));
    return Shown{{tmpfs}};
  }

  absl::StatusOr<Shown> Secret(const pb::Mount& mount) {
    if (!mount.has_secretopt()) return Unknown("invalid secret mount options");
    const pb::SecretOpt& options = mount.secretopt();
    if (options.id().empty()) return Unknown("secret ID missing from mount options");
    BK_TRY(auto value, FetchSecret(cancel_, *context_.sessions, context_.fetch.session_ids, options.id(), options.optional()));
    if (!value) return Shown();
    BK_TRY(auto secret, SecretMount::Make(*value, options));
    Shown shown{{secret->mount()}};
    out_.secrets.push_back(std::move(secret));
    return shown;
  }

  absl::StatusOr<Shown> Ssh(const pb::Mount& mount) {
    if (!mount.has_sshopt()) return Unknown("invalid ssh mount options");
    const pb::SSHOpt& options = mount.sshopt();
    auto agent = session::AgentSocket::Open(cancel_, *context_.sessions, context_.fetch.session_ids, options.id(), {options.uid(), options.gid(), options.mode()});
    if (!agent.ok() && options.optional()) {
      BK_RETURN_IF_ERROR(cancel_.Check());
      return Shown();
    }
    BK_RETURN_IF_ERROR(agent.status());
    Shown shown{{{"bind", (*agent)->path(), {"rbind"}}}};
    out_.agents.push_back(*std::move(agent));
    return shown;
  }

  absl::StatusOr<Shown> Activate(const cache::Mountable& what, bool readonly) {
    BK_TRY(auto active, what.Mount(cancel_, context_.fetch, readonly));
    Shown shown = active->mounts();
    out_.active.push_back(std::move(active));
    return shown;
  }

  static std::string TypeName(const pb::Mount& mount) {
    const std::string& name = pb::MountType_Name(mount.mounttype());
    return name.empty() ? std::to_string(static_cast<int>(mount.mounttype())) : name;
  }

  const CancelToken& cancel_;
  const MountContext& context_;
  const pb::ExecOp& op_;
  const std::vector<cache::ImmutablePtr>& inputs_;
  std::map<std::string, CacheMountPtr> caches_;
  size_t index_ = 0;  // of the mount that is being prepared
  PreparedMounts out_;
};

}  // namespace

void PreparedMounts::Unmount() {
  active.clear();
  secrets.clear();
  agents.clear();
  caches.clear();
}

std::string CommandLine(const pb::ExecOp& op) {
  std::string line;
  for (int i = 0; i < op.meta().args_size(); i++) line += StrCat(i == 0 ? "" : " ", op.meta().args(i));
  return line;
}

absl::StatusOr<PreparedMounts> PrepareMounts(const CancelToken& cancel, const MountContext& context, const pb::ExecOp& op, const std::vector<cache::ImmutablePtr>& inputs) {
  return Preparer(cancel, context, op, inputs).Run();
}

}  // namespace bk::ops
