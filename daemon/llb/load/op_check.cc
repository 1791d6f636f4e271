#include "daemon/llb/load/op_check.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

namespace bk::llb {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status CheckExecShape(const pb::ExecOp& exec) {
  if (!exec.has_meta()) return Unknown("invalid exec op with no meta");
  if (exec.meta().args().empty()) return Unknown("invalid exec op with no args");
  if (exec.mounts().empty()) return Unknown("invalid exec op with no mounts");
  bool has_root = std::any_of(exec.mounts().begin(), exec.mounts().end(), [](const pb::Mount& m) { return m.dest() == "/"; });
  return has_root ? absl::OkStatus() : Unknown("invalid exec op with no rootfs");
}

absl::Status CheckDiffSide(int64_t input, int inputs) {
  if (input < -1 || input >= inputs) return Unknown("invalid diff input index ", input);
  return absl::OkStatus();
}

absl::Status CheckDiffShape(const pb::DiffOp& diff, int inputs) {
  if (!diff.has_lower() || !diff.has_upper()) return Unknown("invalid diff op with nil lower or upper input");
  BK_RETURN_IF_ERROR(CheckDiffSide(diff.lower().input(), inputs));
  return CheckDiffSide(diff.upper().input(), inputs);
}

absl::Status CheckPassthroughShape(const pb::PassthroughOp& op, int inputs) {
  if (op.id().empty()) return Unknown("invalid passthrough op with no id");
  if (op.outputs().empty()) return Unknown("invalid passthrough op with no outputs");
  for (int64_t input : op.outputs()) {
    if (input < 0 || (inputs > 0 && input >= inputs)) return Unknown("invalid passthrough output input index ", input);
  }
  return absl::OkStatus();
}

absl::Status UnknownValue(const FieldDescriptor* field, int value) {
  return InvalidArgument("unknown value ", value, " of ", field->enum_type()->name(), " in field ", Quote(field->name()));
}

// A step refuses these itself when it runs (ops::CheckModes, exec_mounts.cc), as the reference does.
bool SaidByTheStep(const FieldDescriptor* field) {
  const auto* type = field->enum_type();
  return type == pb::NetMode_descriptor() || type == pb::SecurityMode_descriptor() || type == pb::CacheSharingOpt_descriptor();
}

// Enumerations of a message and everything in it. Recursion is bounded by the decoder's limit of depth.
absl::Status CheckEnums(const Message& message) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; i++) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        int value = field->is_repeated() ? reflection->GetRepeatedEnumValue(message, field, i) : reflection->GetEnumValue(message, field);
        if (!SaidByTheStep(field) && field->enum_type()->FindValueByNumber(value) == nullptr) return UnknownValue(field, value);
      }
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        BK_RETURN_IF_ERROR(CheckEnums(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i) : reflection->GetMessage(message, field)));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckIndex(const char* what, int64_t index, int64_t limit) {
  if (index < -1 || index >= limit) return InvalidArgument("invalid ", what, " index ", index, " (there are ", limit, ")");
  return absl::OkStatus();
}

absl::Status CheckIndexes(const pb::Op& op) {
  int64_t inputs = op.inputs_size();
  for (const pb::Mount& mount : op.exec().mounts()) {
    if (mount.output() < -1 || mount.output() >= op.exec().mounts_size()) return InvalidArgument("invalid mount output index ", mount.output());
  }
  int64_t actions = op.file().actions_size();
  for (int64_t i = 0; i < actions; i++) {  // an action sees the inputs and the results of the actions before it
    const pb::FileAction& action = op.file().actions(static_cast<int>(i));
    BK_RETURN_IF_ERROR(CheckIndex("file action input", action.input(), inputs + i));
    BK_RETURN_IF_ERROR(CheckIndex("file action secondary input", action.secondaryinput(), inputs + i));
    if (action.output() < -1 || action.output() >= actions) return InvalidArgument("invalid file action output index ", action.output());
  }
  for (const pb::MergeInput& input : op.merge().inputs()) BK_RETURN_IF_ERROR(CheckIndex("merge input", input.input(), inputs));
  return absl::OkStatus();
}

std::string ActionName(const pb::FileAction& action) {
  switch (action.action_case()) {
    case pb::FileAction::kMkdir: return "mkdir " + action.mkdir().path();
    case pb::FileAction::kMkfile: return "mkfile " + action.mkfile().path();
    case pb::FileAction::kSymlink: return StrCat("symlink ", action.symlink().newpath(), " -> ", action.symlink().oldpath());
    case pb::FileAction::kRm: return "rm " + action.rm().path();
    case pb::FileAction::kCopy: return StrCat("copy ", action.copy().src(), " ", action.copy().dest());
    case pb::FileAction::ACTION_NOT_SET: return "";
  }
  return "";
}

}  // namespace

absl::Status CheckShape(const pb::Op& op) {
  switch (op.op_case()) {
    case pb::Op::kExec: return CheckExecShape(op.exec());
    case pb::Op::kFile: return op.file().actions().empty() ? Unknown("invalid file op with no actions") : absl::OkStatus();
    case pb::Op::kDiff: return CheckDiffShape(op.diff(), op.inputs_size());
    case pb::Op::kPassthrough: return CheckPassthroughShape(op.passthrough(), op.inputs_size());
    default: return absl::OkStatus();
  }
}

absl::Status CheckEntitlements(pb::Op& op, const EntitlementSet& granted, cdi::Registry* devices) {
  if (!op.has_exec()) return absl::OkStatus();
  if (op.exec().network() == pb::HOST && !granted.contains("network.host")) return Unknown("network.host is not allowed");
  if (op.exec().security() == pb::INSECURE && !granted.contains("security.insecure")) return Unknown("security.insecure is not allowed");
  return CheckDevices(*op.mutable_exec(), granted, devices);
}

absl::Status CheckMeaning(const pb::Op& op) {
  BK_RETURN_IF_ERROR(CheckEnums(op));
  return CheckIndexes(op);
}

std::string DefaultName(const pb::Op& op) {
  std::string name;
  auto join = [&](std::string_view separator, std::string_view piece) { name.append(name.empty() ? "" : separator).append(piece); };
  switch (op.op_case()) {
    case pb::Op::kSource: return op.source().identifier();
    case pb::Op::kExec: {
      bool first = true;
      for (const std::string& arg : op.exec().meta().args()) {
        if (!std::exchange(first, false)) name += ' ';
        name += arg;
      }
      return name;
    }
    case pb::Op::kFile:
      for (const pb::FileAction& action : op.file().actions()) {
        if (action.action_case() != pb::FileAction::ACTION_NOT_SET) join(", ", ActionName(action));
      }
      return name;
    case pb::Op::kBuild: return "build";
    case pb::Op::kPassthrough: return "passthrough " + op.passthrough().id();
    default: return "unknown";
  }
}

}  // namespace bk::llb
