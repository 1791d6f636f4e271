#include "sandbox/oci/seccomp_profile.h"

#include <seccomp.h>

#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <memory>

#include "sandbox/oci/spec.h"

namespace bk::oci {
namespace {

SeccompContext Context(std::vector<std::string> bounding, int major = 6, int minor = 18) { return {std::move(bounding), "amd64", major, minor}; }

std::vector<std::string> DefaultCapabilities() {
  exec::ProcessSpec process;
  SpecInput input;
  input.process = &process;
  return MakeSpec(input)->capabilities;
}

scmp_compare Compare(std::string_view name) {
  const std::map<std::string_view, scmp_compare> known = {{"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GT", SCMP_CMP_GT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  REQUIRE(known.contains(name));
  return known.at(name);
}

std::vector<const char*> Names(const SeccompRule& rule) {
  std::vector<const char*> names(rule.names.begin(), rule.names.end());
  if (rule.name != nullptr) names.push_back(rule.name);
  return names;
}

TEST_CASE("libseccomp takes the whole default profile") {
  std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), [](void* f) { seccomp_release(f); });
  REQUIRE(filter != nullptr);
  CHECK(seccomp_arch_add(filter.get(), SCMP_ARCH_X86) == 0);
  CHECK(seccomp_arch_add(filter.get(), SCMP_ARCH_X32) == 0);
  SeccompContext context = Context(DefaultCapabilities());
  int known = 0, unknown = 0;
  for (const SeccompRule& rule : SeccompRules()) {
    if (!Applies(rule, context)) continue;
    for (const char* name : Names(rule)) {
      int number = seccomp_syscall_resolve_name(name);
      if (number == __NR_SCMP_ERROR) {
        unknown++;  // newer than the library: runtimes leave it out
        continue;
      }
      known++;
      uint32_t action = rule.error_number == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<uint32_t>(rule.error_number));
      // A masked comparison has the mask in `value` and compares with 0.
      bool masked = rule.argument >= 0 && std::string_view(rule.comparison) == "SCMP_CMP_MASKED_EQ";
      scmp_arg_cmp condition{};
      if (rule.argument >= 0) condition = {static_cast<unsigned>(rule.argument), Compare(rule.comparison), rule.value, masked ? 0 : rule.value};
      CHECK_MESSAGE(seccomp_rule_add_array(filter.get(), action, number, rule.argument >= 0 ? 1 : 0, &condition) == 0, name);
    }
  }
  CHECK(known > 300);
  CHECK(unknown < 30);
}

TEST_CASE("capabilities open rules and close others") {
  auto allows = [](const SeccompContext& context, std::string_view wanted) {
    for (const SeccompRule& rule : SeccompRules()) {
      if (!Applies(rule, context) || rule.error_number != 0 || rule.argument >= 0) continue;
      for (const char* name : Names(rule)) {
        if (wanted == name) return true;
      }
    }
    return false;
  };
  CHECK(!allows(Context({}), "mount"));
  CHECK(allows(Context({"CAP_SYS_ADMIN"}), "mount"));
  CHECK(!allows(Context({}), "clone3"));
  CHECK(allows(Context({"CAP_SYS_CHROOT"}), "chroot"));
  CHECK(!allows(Context({}, 4, 7), "ptrace"));
  CHECK(allows(Context({}, 4, 8), "ptrace"));
}

}  // namespace
}  // namespace bk::oci
