// Which system calls a step may use; everything else fails with EPERM. Constant data and the choice of its rows.
//
// A row counts when the container's capabilities, the machine and the kernel fit. Names that a runtime's libseccomp does
// not know are its business (runc and crun leave them out). Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::oci {

struct SeccompRule {
  std::span<const char* const> names = {};
  const char* name = nullptr;  // instead of `names`
  int error_number = 0;        // 0: allowed; else the call fails with it
  int argument = -1;           // index of the compared argument, -1: none
  const char* comparison = nullptr;  // "SCMP_CMP_EQ", …
  uint64_t value = 0;
  const char* with_capability = nullptr;
  const char* without_capability = nullptr;
  const char* arches = nullptr;  // separated by blanks
  const char* except_arches = nullptr;
  int kernel_major = 0, kernel_minor = 0;  // at least
};

struct SeccompArch {
  const char* arch;
  const char* names[3];  // libseccomp's, null: none
};

struct SeccompContext {
  std::vector<std::string> bounding;  // capabilities of the container
  std::string arch;                   // Go's name
  int kernel_major = 0, kernel_minor = 0;
};

std::span<const SeccompRule> SeccompRules();
bool Applies(const SeccompRule& rule, const SeccompContext& context);
SeccompContext HostSeccompContext(std::vector<std::string> bounding);
const SeccompArch* FindSeccompArch(std::string_view arch);  // null: no architectures are named

}  // namespace bk::oci
