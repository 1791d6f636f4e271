// Steps in namespaces that a provider lends.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "sandbox/net/pinned_namespace.h"
#include "tests/unit/sandbox/exec/world.h"

namespace bk::exec {
namespace {

// Lends one pinned namespace without an interface; counts.
class FakeProvider : public net::Provider {
 public:
  FakeProvider() { REQUIRE(net::PinNewNamespace(path).ok()); }
  ~FakeProvider() override { CHECK(net::Unpin(path).ok()); }
  absl::StatusOr<std::unique_ptr<net::Namespace>> Get(const CancelToken&, const std::string& hostname) override {
    hostnames.push_back(hostname);
    if (fails) return Unknown("CNI setup error: no wire");
    lent++;
    return std::make_unique<Lent>(*this);
  }
  std::string Inode() const {
    struct stat info;
    REQUIRE(stat(path.c_str(), &info) == 0);
    return StrCat("net:[", info.st_ino, "]");
  }
  os::TempDir temp = *os::TempDir::Make("bk-net-test-");
  std::string path = temp.path() + "/ns";
  std::vector<std::string> hostnames;
  int lent = 0;
  bool fails = false;

 private:
  struct Lent : net::Namespace {
    explicit Lent(FakeProvider& provider) : from(provider) {}
    ~Lent() override { from.lent--; }
    const std::string& path() const override { return from.path; }
    FakeProvider& from;
  };
};

struct NetworkWorld : World {
  NetworkWorld() {
    options.binary = "runc";
    options.network = &provider;
    made = MakeRuntimeExecutor(options);
    REQUIRE_MESSAGE(made.ok(), Message(made.status()));
  }
  // The network namespace that a step sees, or its error.
  std::string Step(std::function<void(ProcessSpec&)> change = {}) {
    Collected out;
    auto exit = Run(**made, "readlink /proc/self/ns/net", out, {}, CancelToken::Never(), change);
    if (!exit.ok()) return std::string(Message(exit.status()));
    return out.get(1).substr(0, out.get(1).find('\n'));
  }
  FakeProvider provider;
  absl::StatusOr<std::unique_ptr<Executor>> made;
};

TEST_CASE("runc: a step joins the namespace that the provider lends, and gives it back (EXE-039, EXE-043)") {
  NetworkWorld world;
  REQUIRE(symlink("busybox", (world.rootfs + "/bin/readlink").c_str()) == 0);
  CHECK(world.Step() == world.provider.Inode());
  CHECK(world.Step([](ProcessSpec& p) { p.hostname = "box"; }) == world.provider.Inode());
  CHECK(world.provider.hostnames == std::vector<std::string>{"", "box"});
  CHECK(world.provider.lent == 0);
}

TEST_CASE("runc: steps with the host's network or none do not ask the provider") {
  NetworkWorld world;
  REQUIRE(symlink("busybox", (world.rootfs + "/bin/readlink").c_str()) == 0);
  CHECK(world.Step([](ProcessSpec& p) { p.network = NetworkMode::kHost; }) == os::ReadLink("/proc/self/ns/net").value());
  std::string none = world.Step([](ProcessSpec& p) { p.network = NetworkMode::kNone; });
  CHECK(none.starts_with("net:["));
  CHECK(none != world.provider.Inode());
  CHECK(none != os::ReadLink("/proc/self/ns/net").value());
  CHECK(world.provider.hostnames.empty());
}

TEST_CASE("runc: a step whose network cannot be made does not run, and leaves nothing") {
  NetworkWorld world;
  world.provider.fails = true;
  CHECK(world.Step() == "CNI setup error: no wire");
  world.CheckClean();
}

TEST_CASE("a pinned namespace has its loopback up, and is known as one until it is unpinned") {
  NetworkWorld world;
  CHECK(net::IsPinned(world.provider.path));
  CHECK(net::OwnsNetwork() == (geteuid() == 0 && !world.options.rootless));
  REQUIRE(symlink("busybox", (world.rootfs + "/bin/ip").c_str()) == 0);
  Collected out;
  REQUIRE(world.Run(**world.made, "ip link show lo", out).ok());
  CHECK(out.get(1).find("LOOPBACK,UP") != std::string::npos);
  std::string other = world.provider.temp.path() + "/other";
  REQUIRE(net::PinNewNamespace(other).ok());
  CHECK(absl::IsAlreadyExists(net::PinNewNamespace(other)));
  CHECK(net::Unpin(other).ok());
  CHECK_FALSE(net::IsPinned(other));
  CHECK(net::Unpin(other).ok());
  CHECK(net::RemoveBridge("bk-none").ok());
}

}  // namespace
}  // namespace bk::exec
