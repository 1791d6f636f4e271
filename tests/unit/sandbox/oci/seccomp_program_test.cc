#include "sandbox/oci/seccomp_program.h"

#include <linux/filter.h>

#include <doctest/doctest.h>

namespace bk::oci {
namespace {

TEST_CASE("the seccomp program is whole instructions that the kernel takes, and the same each time") {
  SeccompContext context{{"CAP_CHOWN"}, "amd64", 6, 18};
  auto program = SeccompProgram(context);
  REQUIRE(program.ok());
  CHECK(program->size() % sizeof(sock_filter) == 0);
  CHECK(program->size() / sizeof(sock_filter) > 300);
  CHECK(program->size() / sizeof(sock_filter) <= BPF_MAXINSNS);
  CHECK(*SeccompProgram(context) == *program);
}

TEST_CASE("a capability more gives another seccomp program") {
  auto few = SeccompProgram({{"CAP_CHOWN"}, "amd64", 6, 18}), more = SeccompProgram({{"CAP_CHOWN", "CAP_SYS_ADMIN"}, "amd64", 6, 18});
  REQUIRE(few.ok());
  REQUIRE(more.ok());
  CHECK(*few != *more);
}

}  // namespace
}  // namespace bk::oci
