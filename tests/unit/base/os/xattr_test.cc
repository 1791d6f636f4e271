#include "base/os/xattr.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/os/file.h"

using namespace bk;
using namespace bk::os;

namespace {

// Makes listxattrat a call that the kernel does not know, for this thread.
bool ForgetListXattrAt() {
  constexpr unsigned kCall = 465;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCall, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{sizeof program / sizeof program[0], program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::string NamesOf(int dir, const char* name) {
  char names[256];
  ssize_t size = ListXattrsAt(dir, name, names, sizeof names);
  return size < 0 ? "error" : std::string(names, static_cast<size_t>(size));
}

}  // namespace

TEST_CASE("attributes of an entry are listed with the call of Linux 6.13 and without it") {
  auto dir = TempDir::Make("xattr-", "/var/tmp");  // a tmpfs may have none
  REQUIRE(dir.ok());
  REQUIRE(WriteFile(dir->path() + "/file", "", 0600).ok());
  REQUIRE(setxattr((dir->path() + "/file").c_str(), "user.one", "1", 1, 0) == 0);
  REQUIRE(symlink("file", (dir->path() + "/link").c_str()) == 0);
  UniqueFd fd = *Open(dir->path(), O_RDONLY | O_DIRECTORY);
  auto check = [&] {
    CHECK(NamesOf(fd.get(), "file") == std::string("user.one\0", 9));
    CHECK(NamesOf(fd.get(), "link").empty());  // not followed
    CHECK(NamesOf(fd.get(), "missing") == "error");
    char byte;
    CHECK(ListXattrsAt(fd.get(), "file", &byte, 1) < 0);
    CHECK(errno == ERANGE);
  };
  check();
  std::thread([&] {
    CHECK(ForgetListXattrAt());
    check();
  }).join();
}
