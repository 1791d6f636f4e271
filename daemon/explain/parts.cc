#include "daemon/explain/parts.h"

#include <algorithm>

#include "base/digest.h"
#include "base/unicode.h"

namespace bk::explain {
namespace {

class Parts {
 public:
  explicit Parts(v1::Step& step) : step_(step) {}
  void Add(std::string name, const std::string& value, bool secret = false) {
    if (value.empty() || static_cast<size_t>(step_.parts_size()) >= kMaxParts) return;
    if (name.size() > kMaxValueBytes) name = StrCat(name.substr(0, kMaxValueBytes / 2), " ", DigestOf(name).hex().substr(0, 12));
    v1::Part* part = step_.add_parts();
    part->set_name(std::move(name));
    // What is not UTF-8 cannot be kept as text.
    bool plain = value.size() <= kMaxValueBytes && std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    part->set_hidden(secret || !plain);
    part->set_value(part->hidden() ? std::string(DigestOf(value).hex().substr(0, 32)) : value);
  }

 private:
  v1::Step& step_;
};

std::string Serialized(const google::protobuf::Message& message) { return message.SerializeAsString(); }

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out += out.empty() ? one : " " + one;
  return out;
}

const char* TypeName(pb::MountType type) {
  switch (type) {
    case pb::SECRET: return "secret";
    case pb::SSH: return "ssh";
    case pb::CACHE: return "cache";
    case pb::TMPFS: return "tmpfs";
    default: return "bind";
  }
}

void AddExec(const pb::ExecOp& op, Parts& parts) {
  const pb::Meta& meta = op.meta();
  parts.Add("command", Joined(meta.args()));
  for (const std::string& entry : meta.env()) {
    size_t equals = std::min(entry.find('='), entry.size());
    std::string name = entry.substr(0, equals);
    parts.Add("environment variable " + name, entry.substr(equals), IsSecretName(name));
  }
  parts.Add("working directory", meta.cwd());
  parts.Add("user", meta.user());
  parts.Add("hostname", meta.hostname());
  parts.Add("cgroup parent", meta.cgroupparent());
  for (const pb::HostIP& host : meta.extrahosts()) parts.Add("host " + host.host(), "there");
  for (const pb::Ulimit& limit : meta.ulimit()) parts.Add("ulimit " + limit.name(), StrCat(limit.soft(), ":", limit.hard()));
  std::string codes;
  for (int code : meta.validexitcodes()) codes += StrCat(codes.empty() ? "" : " ", code);
  parts.Add("valid exit codes", codes);
  parts.Add("network mode", op.network() == pb::UNSET ? "" : pb::NetMode_Name(op.network()));
  parts.Add("security mode", op.security() == pb::SANDBOX ? "" : pb::SecurityMode_Name(op.security()));
  for (const pb::SecretEnv& secret : op.secretenv()) parts.Add("secret variable " + secret.name(), secret.id());
  for (const pb::CDIDevice& device : op.cdidevices()) parts.Add("device " + device.name(), "there");
  for (const pb::Mount& mount : op.mounts()) {
    pb::Mount rest = mount;
    rest.clear_dest();
    parts.Add(StrCat("mount ", mount.dest(), " (", TypeName(mount.mounttype()), ")"), Serialized(rest), true);
  }
}

void AddCopy(const std::string& prefix, const pb::FileActionCopy& copy, Parts& parts) {
  parts.Add(prefix + "source path", copy.src());
  parts.Add(prefix + "destination path", copy.dest());
  parts.Add(prefix + "mode", copy.modestr().empty() ? StrCat(copy.mode()) : copy.modestr());
  parts.Add(prefix + "owner", Serialized(copy.owner()), true);
  parts.Add(prefix + "include patterns", Joined(copy.include_patterns()));
  parts.Add(prefix + "exclude patterns", Joined(copy.exclude_patterns()));
  pb::FileActionCopy rest = copy;
  for (auto clear : {&pb::FileActionCopy::clear_src, &pb::FileActionCopy::clear_dest, &pb::FileActionCopy::clear_mode, &pb::FileActionCopy::clear_modestr,
                     &pb::FileActionCopy::clear_owner, &pb::FileActionCopy::clear_include_patterns, &pb::FileActionCopy::clear_exclude_patterns}) {
    (rest.*clear)();
  }
  parts.Add(prefix + "copy options", Serialized(rest), true);
}

void AddFile(const pb::FileOp& op, Parts& parts) {
  parts.Add("number of actions", StrCat(op.actions_size()));
  for (int i = 0; i < op.actions_size(); i++) {
    const pb::FileAction& action = op.actions(i);
    std::string prefix = op.actions_size() == 1 ? "" : StrCat("action ", i + 1, ": ");
    if (action.has_copy()) {
      AddCopy(prefix, action.copy(), parts);
    } else if (action.has_mkfile()) {
      pb::FileActionMkFile rest = action.mkfile();
      rest.clear_data();
      parts.Add(prefix + "content of " + action.mkfile().path(), action.mkfile().data(), true);
      parts.Add(prefix + "options of " + action.mkfile().path(), Serialized(rest), true);
    } else {
      parts.Add(prefix + "options", Serialized(action), true);
    }
  }
}

// What else the text of the key depends on is the map's digest, which the caller has.
void AddSource(const pb::SourceOp& op, Parts& parts) {
  std::string identifier = op.identifier();
  if (size_t at = identifier.find("@sha256:"); at != std::string::npos) identifier.resize(at);
  parts.Add("source", identifier);
}

}  // namespace

bool IsSecretName(std::string_view name) {
  std::string upper = ToUpper(name);
  constexpr const char* kWords[] = {"SECRET", "TOKEN", "PASSW", "PWD", "KEY", "CREDENTIAL", "AUTH", "PRIVATE"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](const char* word) { return upper.find(word) != std::string::npos; });
}

std::string KindOf(const pb::Op& op) {
  switch (op.op_case()) {
    case pb::Op::kExec: return "exec";
    case pb::Op::kFile: return "file";
    case pb::Op::kMerge: return "merge";
    case pb::Op::kDiff: return "diff";
    case pb::Op::kBuild: return "build";
    case pb::Op::kPassthrough: return "passthrough";
    case pb::Op::kSource: return op.source().identifier().substr(0, op.source().identifier().find("://"));
    default: return "";
  }
}

void AddParts(const pb::Op& op, v1::Step& step) {
  Parts parts(step);
  if (op.has_exec()) AddExec(op.exec(), parts);
  if (op.has_file()) AddFile(op.file(), parts);
  if (op.has_source()) AddSource(op.source(), parts);
  if (!op.has_file() && op.has_platform()) parts.Add("platform", StrCat(op.platform().os(), "/", op.platform().architecture(), op.platform().variant().empty() ? "" : "/", op.platform().variant()));
}

}  // namespace bk::explain
