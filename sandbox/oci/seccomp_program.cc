#include "sandbox/oci/seccomp_program.h"

#include <seccomp.h>
#include <sys/mman.h>

#include <cctype>
#include <cerrno>
#include <map>
#include <memory>
#include <tuple>

#include "base/guarded.h"
#include "base/os/file.h"

namespace bk::oci {
namespace {

constexpr uint64_t kProgramLimit = 1 << 20;  // the kernel takes 4096 instructions

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

absl::StatusOr<scmp_compare> Comparison(std::string_view name) {
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
  return InvalidArgument("unknown seccomp comparison ", Quote(name));
}

// Names that the library does not know are left out, as runtimes do.
absl::Status AddRule(scmp_filter_ctx filter, const SeccompRule& rule, const char* name) {
  int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return absl::OkStatus();
  uint32_t action = rule.error_number == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<uint32_t>(rule.error_number));
  if (action == SCMP_ACT_ERRNO(EPERM)) return absl::OkStatus();  // the default
  scmp_arg_cmp condition{};
  if (rule.argument >= 0) {
    BK_TRY(scmp_compare comparison, Comparison(rule.comparison));
    // A masked comparison has the mask in `value` and compares with 0.
    condition = {static_cast<unsigned>(rule.argument), comparison, rule.value, comparison == SCMP_CMP_MASKED_EQ ? 0 : rule.value};
  }
  int result = seccomp_rule_add_array(filter, action, number, rule.argument >= 0 ? 1 : 0, &condition);
  return result == 0 ? absl::OkStatus() : ErrnoError(-result, StrCat("seccomp rule ", name));
}

absl::StatusOr<std::string> Compile(const SeccompContext& context) {
  Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (filter == nullptr) return Internal("seccomp_init failed");
  if (const SeccompArch* row = FindSeccompArch(context.arch)) {
    for (const char* name : row->names) {
      if (name == nullptr) continue;
      std::string lower(name + sizeof("SCMP_ARCH_") - 1);
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      uint32_t arch = seccomp_arch_resolve_name(lower.c_str());
      if (arch == 0) return InvalidArgument("unknown seccomp architecture ", name);
      int result = seccomp_arch_add(filter.get(), arch);
      if (result != 0 && result != -EEXIST) return ErrnoError(-result, StrCat("seccomp architecture ", name));
    }
  }
  for (const SeccompRule& rule : SeccompRules()) {
    if (!Applies(rule, context)) continue;
    if (rule.name != nullptr) BK_RETURN_IF_ERROR(AddRule(filter.get(), rule, rule.name));
    for (const char* name : rule.names) BK_RETURN_IF_ERROR(AddRule(filter.get(), rule, name));
  }
  os::UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return ErrnoError(errno, "memfd_create");
  if (int result = seccomp_export_bpf(filter.get(), file.get()); result != 0) return ErrnoError(-result, "seccomp_export_bpf");
  return os::ReadFile(StrCat("/proc/self/fd/", file.get()), kProgramLimit);
}

}  // namespace

absl::StatusOr<std::string> SeccompProgram(const SeccompContext& context) {
  using Key = std::tuple<std::vector<std::string>, std::string, int, int>;
  static Guarded<std::map<Key, std::string>> known;
  Key key{context.bounding, context.arch, context.kernel_major, context.kernel_minor};
  std::string program = known.With([&](auto& all) {
    auto it = all.find(key);
    return it == all.end() ? std::string() : it->second;
  });
  if (!program.empty()) return program;
  BK_ASSIGN(program, Compile(context));
  known.With([&](auto& all) { all[key] = program; });
  return program;
}

}  // namespace bk::oci
