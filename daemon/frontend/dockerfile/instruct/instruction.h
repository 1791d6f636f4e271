// Typed instructions: what each line of a Dockerfile says, its flags checked.
//
// Words still hold their variables; Expand puts values in. Values only, thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"
#include "daemon/frontend/dockerfile/lint/linter.h"
#include "daemon/frontend/dockerfile/parse/parser.h"

namespace bk::dockerfile {

struct KeyValue {
  std::string key, value;
  bool no_delimiter = false;  // old form `ENV NAME value`
};

struct BuildArgument {
  std::string key;
  std::optional<std::string> value;
  std::string doc;
};

struct EnvInstruction {
  std::vector<KeyValue> pairs;
};
struct LabelInstruction {
  std::vector<KeyValue> pairs;
};
struct MaintainerInstruction {
  std::string maintainer;
};

struct InlineFile {
  std::string path, data;
  bool expand = false;  // variables inside
};

// COPY and ADD.
struct CopyInstruction {
  bool is_add = false;
  std::vector<std::string> sources;
  std::vector<InlineFile> contents;
  std::string destination;
  std::string from;  // COPY
  std::string chown, chmod;
  bool link = false;
  bool parents = false;  // COPY
  std::vector<std::string> exclude;
  std::optional<bool> keep_git_dir, unpack;  // ADD
  std::string checksum;                      // ADD
};

struct FromInstruction {
  std::string base, name, platform, doc;  // name in lower case, "" if none
};
struct OnbuildInstruction {
  std::string expression;
};
struct WorkdirInstruction {
  std::string path;
};
struct UserInstruction {
  std::string user;
};
struct VolumeInstruction {
  std::vector<std::string> volumes;
};
struct ExposeInstruction {
  std::vector<std::string> ports;
};
struct StopSignalInstruction {
  std::string signal;
};
struct ArgInstruction {
  std::vector<BuildArgument> args;
};
struct ShellInstruction {
  std::vector<std::string> shell;
};

// Arguments in exec form, or one text for the shell.
struct CommandLine {
  std::vector<std::string> args;
  bool prepend_shell = false;
};
struct CmdInstruction : CommandLine {};
struct EntrypointInstruction : CommandLine {};

struct HealthCheckInstruction {
  std::vector<std::string> test;
  int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
  int retries = 0;
};

enum class MountType { kBind, kCache, kTmpfs, kSecret, kSsh };
std::string_view MountTypeName(MountType type);

struct RunMount {
  MountType type = MountType::kBind;
  std::string from, source, target;
  bool read_only = false;
  bool required = false;
  int64_t size_limit = 0;
  std::string cache_id;
  std::string sharing;  // "", shared, private, locked
  std::optional<std::string> env;
  std::optional<uint32_t> mode, uid, gid;
};
struct RunDevice {
  std::string name;
  bool required = false;
};
struct HeredocFile {
  std::string name, data;
  bool chomp = false;
};

struct RunInstruction : CommandLine {
  std::vector<HeredocFile> files;
  std::vector<std::string> flags_used;   // sorted
  std::vector<std::string> mount_flags;  // as written; `mounts` is complete only after Expand
  std::vector<RunMount> mounts;
  std::vector<RunDevice> devices;
  std::string network, security;
};

using InstructionBody =
    std::variant<FromInstruction, EnvInstruction, LabelInstruction, MaintainerInstruction, CopyInstruction, OnbuildInstruction,
                 WorkdirInstruction, UserInstruction, VolumeInstruction, ExposeInstruction, StopSignalInstruction, ArgInstruction,
                 ShellInstruction, CmdInstruction, EntrypointInstruction, HealthCheckInstruction, RunInstruction>;

struct Instruction {
  std::string keyword;  // as written
  std::string code;     // the line, trimmed
  Ranges location;
  std::vector<std::string> comments;
  InstructionBody body;

  template <typename T>
  const T* As() const { return std::get_if<T>(&body); }
  template <typename T>
  T* As() { return std::get_if<T>(&body); }
};

// InvalidArgument with the node's location. What is odd about it goes to `lint`.
absl::StatusOr<Instruction> ParseInstruction(const Node& node, const Linter& lint = {});

struct Stage {
  Instruction from;  // body: FromInstruction
  std::vector<Instruction> commands;
  const FromInstruction& head() const { return std::get<FromInstruction>(from.body); }
};
struct Program {
  std::vector<Instruction> meta_args;  // ARG before the first FROM
  std::vector<Stage> stages;
};
// Errors of single instructions begin with "dockerfile parse error on line N: ".
absl::StatusOr<Program> ParseProgram(const Dockerfile& file, const Linter& lint = {});

using WordExpander = std::function<absl::StatusOr<std::string>(const std::string&)>;
// Puts variables into what the instruction says supports them (ARG is expanded by who dispatches it).
absl::Status Expand(Instruction& instruction, const WordExpander& expand);
// The same for inline files, whose quotes stay.
absl::Status ExpandContents(Instruction& instruction, const WordExpander& expand);

// A mount flag. Without expander only what can be said before variables are known is checked.
absl::StatusOr<RunMount> ParseRunMount(const std::string& flag, const WordExpander* expand);
absl::StatusOr<RunDevice> ParseRunDevice(const std::string& flag);

}  // namespace bk::dockerfile
