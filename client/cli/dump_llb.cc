#include "client/cli/dump_llb.h"

#include <unistd.h>

#include "base/digest.h"
#include "base/go_json.h"
#include "base/os/file.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "proto/llb/go_json_of.h"

namespace bk::client {
namespace {

constexpr size_t kMaxDefinition = size_t{256} << 20;

struct Operation {
  pb::Op op;
  std::string digest;
};

absl::StatusOr<std::vector<Operation>> ReadOperations(const pb::Definition& definition) {
  std::vector<Operation> out;
  for (const std::string& bytes : definition.def()) {
    Operation one{{}, DigestOf(bytes).str()};
    if (!one.op.ParseFromString(bytes)) return InvalidArgument("failed to parse op: unexpected EOF");
    out.push_back(std::move(one));
  }
  return out;
}

std::string ActionName(const pb::FileAction& action) {
  switch (action.action_case()) {
    case pb::FileAction::kCopy: return StrCat("copy{src=", action.copy().src(), ", dest=", action.copy().dest(), "}");
    case pb::FileAction::kMkfile: return StrCat("mkfile{path=", action.mkfile().path(), "}");
    case pb::FileAction::kMkdir: return StrCat("mkdir{path=", action.mkdir().path(), "}");
    case pb::FileAction::kRm: return StrCat("rm{path=", action.rm().path(), "}");
    case pb::FileAction::kSymlink: return StrCat("symlink{oldpath=", action.symlink().oldpath(), ", newpath=", action.symlink().newpath(), "}");
    default: return "";
  }
}

template <typename List, typename Name>
std::string Joined(const List& list, const char* separator, Name name) {
  std::string out;
  for (int i = 0; i < list.size(); i++) out += (i == 0 ? "" : separator) + name(list[i]);
  return out;
}

struct Look {
  std::string label, shape;
};

Look LookOf(const Operation& one) {
  const pb::Op& op = one.op;
  switch (op.op_case()) {
    case pb::Op::kSource: return {op.source().identifier(), "ellipse"};
    case pb::Op::kExec: return {Joined(op.exec().meta().args(), " ", [](const std::string& arg) { return arg; }), "box"};
    case pb::Op::kBuild: return {"build", "box3d"};
    case pb::Op::kMerge: return {"merge", "invtriangle"};
    case pb::Op::kDiff: return {"diff", "doublecircle"};
    case pb::Op::kFile: return {Joined(op.file().actions(), ",", &ActionName), "note"};
    default: return {one.digest, "plaintext"};
  }
}

// Where a container finds input `index`; nothing for its root.
std::string MountOf(const pb::Op& op, int index) {
  std::string out;
  for (const pb::Mount& mount : op.exec().mounts()) {
    if (mount.input() == index && mount.dest() != "/") out = mount.dest();
  }
  return out;
}

absl::StatusOr<std::string> ReadInput(const flags::Values& values) {
  std::string path = values.args().empty() ? "" : values.args()[0];
  if (!path.empty() && path != "-") return os::ReadFile(path, kMaxDefinition);
  return os::ReadAll(STDIN_FILENO, kMaxDefinition);
}

absl::Status Run(const flags::Values& values) {
  BK_TRY(std::string bytes, ReadInput(values));
  pb::Definition definition;
  if (!definition.ParseFromString(bytes)) return InvalidArgument("unexpected EOF");
  BK_TRY(std::string text, values.Bool("dot") ? LlbDot(definition) : LlbJsonLines(definition));
  Print(stdout, text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> LlbJsonLines(const pb::Definition& definition) {
  BK_TRY(std::vector<Operation> operations, ReadOperations(definition));
  std::string out;
  for (const Operation& one : operations) {
    auto found = definition.metadata().find(one.digest);
    GoJsonWriter json;
    json.BeginObject();
    json.Key("Op");
    json.Raw(llb::GoJsonOf(one.op));
    json.Key("Digest");
    json.String(one.digest);
    json.Key("OpMetadata");
    json.Raw(found == definition.metadata().end() ? "{}" : llb::GoJsonOf(found->second));
    json.EndObject();
    out += json.Take() + "\n";
  }
  return out;
}

absl::StatusOr<std::string> LlbDot(const pb::Definition& definition) {
  BK_TRY(std::vector<Operation> operations, ReadOperations(definition));
  std::string out = "digraph {\n";
  for (const Operation& one : operations) {
    Look look = LookOf(one);
    out += StrCat("  ", Quote(one.digest), " [label=", Quote(look.label), " shape=", Quote(look.shape), "];\n");
  }
  for (const Operation& one : operations) {
    for (int i = 0; i < one.op.inputs_size(); i++) {
      out += StrCat("  ", Quote(one.op.inputs(i).digest()), " -> ", Quote(one.digest), " [label=", Quote(MountOf(one.op, i)), "];\n");
    }
  }
  return out + "}\n";
}

flags::Command MakeDumpLlb() {
  flags::Command command{"dump-llb", {}, "dump LLB in human-readable format. LLB can be also passed via stdin. This command does not require the daemon to be running."};
  command.usage_text = "buildctl debug dump-llb [options] <llbfile>";
  command.flags = {{"dot", flags::Kind::kBool, "Output dot format"}};
  command.action = &Run;
  return command;
}

}  // namespace bk::client
