#include "sandbox/exec/input_holders.h"

#include <doctest/doctest.h>
#include <signal.h>

#include "base/os/process.h"

namespace bk::exec {
namespace {

os::Process Holding(std::vector<std::pair<int, int>> fds) {
  os::ProcessOptions options;
  options.argv = {"sleep", "60"};
  options.fds = std::move(fds);
  return *os::Process::Start(options);
}

TEST_CASE("who holds the runtime's own input reads it") {
  os::Pipe input = *os::MakePipe();
  os::Process runtime = Holding({{input.read.get(), 0}}), with = Holding({{input.read.get(), 0}}), without = Holding({});
  CHECK(ReadsInputOf(runtime.pid(), with.pid()));
  CHECK(ReadsInputOf(runtime.pid(), without.pid()));  // another process of the container does
  with.KillGroup(SIGKILL);
  REQUIRE(with.WaitFor(std::chrono::seconds(60)).ok());
  CHECK_FALSE(ReadsInputOf(runtime.pid(), without.pid()));
}

TEST_CASE("who holds a pipe that the runtime writes to reads the input too, but not who holds its output") {
  os::Pipe input = *os::MakePipe(), copy = *os::MakePipe(), output = *os::MakePipe();
  os::Process runtime = Holding({{input.read.get(), 0}, {output.write.get(), 2}, {copy.write.get(), 7}});
  os::Process reads = Holding({{copy.read.get(), 3}});
  copy = {};  // the runtime's own, not ours
  CHECK(ReadsInputOf(runtime.pid(), reads.pid()));
  reads.KillGroup(SIGKILL);
  REQUIRE(reads.WaitFor(std::chrono::seconds(60)).ok());
  os::Process writes = Holding({{output.write.get(), 2}});
  CHECK_FALSE(ReadsInputOf(runtime.pid(), writes.pid()));
}

TEST_CASE("what cannot be told counts as read") {
  os::Process runtime = Holding({});
  CHECK(ReadsInputOf(runtime.pid(), 0x7fffffff));
  CHECK(ReadsInputOf(0x7fffffff, runtime.pid()));
}

}  // namespace
}  // namespace bk::exec
