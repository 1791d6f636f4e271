// Where instructions take variables.
#include "daemon/frontend/dockerfile/instruct/instruction.h"

namespace bk::dockerfile {
namespace {

struct Expander {
  const WordExpander& expand;

  absl::Status Word(std::string& word) const {
    BK_TRY(word, expand(word));
    return absl::OkStatus();
  }
  absl::Status Words(std::vector<std::string>& words) const {
    for (std::string& word : words) BK_RETURN_IF_ERROR(Word(word));
    return absl::OkStatus();
  }
  absl::Status Pairs(std::vector<KeyValue>& pairs) const {
    for (KeyValue& pair : pairs) {
      BK_RETURN_IF_ERROR(Word(pair.key));
      BK_RETURN_IF_ERROR(Word(pair.value));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(EnvInstruction& i) const { return Pairs(i.pairs); }
  absl::Status operator()(LabelInstruction& i) const { return Pairs(i.pairs); }
  absl::Status operator()(CopyInstruction& i) const {
    BK_RETURN_IF_ERROR(Word(i.chown));
    BK_RETURN_IF_ERROR(Word(i.chmod));
    if (i.is_add) BK_RETURN_IF_ERROR(Word(i.checksum));
    BK_RETURN_IF_ERROR(Words(i.sources));
    return Word(i.destination);
  }
  absl::Status operator()(WorkdirInstruction& i) const { return Word(i.path); }
  absl::Status operator()(UserInstruction& i) const { return Word(i.user); }
  absl::Status operator()(VolumeInstruction& i) const { return Words(i.volumes); }
  absl::Status operator()(StopSignalInstruction& i) const { return Word(i.signal); }
  absl::Status operator()(RunInstruction& i) const {
    std::vector<RunMount> mounts;
    for (const std::string& flag : i.mount_flags) {
      BK_TRY(RunMount mount, ParseRunMount(flag, &expand));
      mounts.push_back(std::move(mount));
    }
    i.mounts = std::move(mounts);
    return absl::OkStatus();
  }
  template <typename T>
  absl::Status operator()(T&) const { return absl::OkStatus(); }
};

}  // namespace

absl::Status Expand(Instruction& instruction, const WordExpander& expand) { return std::visit(Expander{expand}, instruction.body); }

absl::Status ExpandContents(Instruction& instruction, const WordExpander& expand) {
  auto* copy = instruction.As<CopyInstruction>();
  if (copy == nullptr) return absl::OkStatus();
  for (InlineFile& file : copy->contents) {
    if (!file.expand) continue;
    BK_TRY(file.data, expand(file.data));
  }
  return absl::OkStatus();
}

}  // namespace bk::dockerfile
