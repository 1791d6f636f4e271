// Containers with several processes, terminals and signals (DFE-117). Needs what world.h says, and runc.
#include <condition_variable>
#include <csignal>
#include <thread>

#include "base/guarded.h"
#include "base/os/process.h"
#include "tests/unit/sandbox/exec/world.h"

namespace bk::exec {
namespace {

ProcessSpec Shell(const std::string& script) {
  ProcessSpec process;
  process.args = {"/bin/sh", "-c", script};
  process.env = {std::string("PATH=") + kDefaultPath, "FROM=spec"};
  process.cwd = "/";
  return process;
}

// A process under way on a thread of its own.
class Going {
 public:
  using Start = std::function<absl::StatusOr<StepExit>(const CancelToken&, const Stdio&)>;
  explicit Going(const Start& start, bool with_input = false) {
    if (with_input) in_ = *os::MakePipe();
    Stdio stdio;
    stdio.stdin_fd = with_input ? in_.read.get() : -1;
    stdio.output = [this](int stream, std::string_view bytes) {
      said_.Change([&](Said& s) { s.text[stream] += bytes; });
    };
    stdio.started = [this](std::shared_ptr<RunningProcess> running) {
      said_.Change([&](Said& s) { s.running = std::move(running); });
    };
    thread_ = std::thread([this, start, stdio] {
      auto exit = start(cancel_.token(), stdio);
      said_.Change([&](Said& s) {
        s.exit = std::move(exit);
        s.over = true;
      });
    });
  }
  ~Going() {
    cancel_.Cancel();
    thread_.join();
  }
  RunningProcess& running() {
    said_.Wait([](const Said& s) { return s.running != nullptr || s.over; });
    auto running = said_.With([](const Said& s) { return s.running.get(); });
    REQUIRE(running != nullptr);
    return *running;
  }
  bool WaitFor(const std::string& text, int stream = 1) {
    return said_.WaitFor(std::chrono::seconds(10), [&](const Said& s) { return s.text[stream].find(text) != std::string::npos; });
  }
  void Type(std::string_view text) { REQUIRE(os::WriteAll(in_.write.get(), text).ok()); }
  void EndInput() { in_.write.Reset(); }
  absl::StatusOr<StepExit> Exit() {
    REQUIRE(said_.WaitFor(std::chrono::seconds(10), [](const Said& s) { return s.over; }));
    return said_.With([](const Said& s) { return s.exit; });
  }
  std::string text(int stream) {
    return said_.With([&](const Said& s) { return s.text[stream]; });
  }
  void Cancel() { cancel_.Cancel(); }

 private:
  struct Said {
    std::string text[3];
    std::shared_ptr<RunningProcess> running;
    bool over = false;
    absl::StatusOr<StepExit> exit = absl::UnknownError("not over");
  };
  os::Pipe in_;
  CancelSource cancel_;
  Guarded<Said> said_;
  std::thread thread_;
};

struct Joined : World {
  Joined() {
    options.binary = "runc";
    auto made = MakeRuntimeExecutor(options);
    REQUIRE_MESSAGE(made.ok(), Message(made.status()));
    executor = *std::move(made);
    for (const char* name : {"stty", "hostname"}) REQUIRE(symlink("busybox", (rootfs + "/bin/" + name).c_str()) == 0);
  }
  Going::Start First(ProcessSpec process, const std::string& id = "first") {
    return [this, process, id](const CancelToken& cancel, const Stdio& stdio) { return executor->Run(cancel, id, root(), {}, process, stdio); };
  }
  Going::Start Next(ProcessSpec process, const std::string& id = "first") {
    return [this, process, id](const CancelToken& cancel, const Stdio& stdio) { return executor->Exec(cancel, id, process, stdio); };
  }
  std::unique_ptr<Executor> executor;
};

TEST_CASE("a second process joins the first one: same root, its own user, environment and exit code") {
  Joined world;
  Going first(world.First(Shell("echo up; touch /made; read x; exit 4")), true);
  REQUIRE(first.WaitFor("up"));
  ProcessSpec process = Shell("echo $FROM; id -u; cat; [ -e /made ] && exit 3");
  process.user = "7:8";
  Going second(world.Next(process), true);
  second.Type("typed\n");
  second.EndInput();
  auto exit = second.Exit();
  REQUIRE_MESSAGE(exit.ok(), Message(exit.status()));
  CHECK(second.text(1) == "spec\n7\ntyped\n");
  CHECK(exit->code == 3);
  first.Type("\n");
  CHECK(first.Exit()->code == 4);
  CHECK(Message(Going(world.Next(Shell("true"))).Exit().status()) == "container first not found");
  world.executor.reset();
  world.CheckClean(false);
}

TEST_CASE("who joined ends with the first process") {
  Joined world;
  Going first(world.First(Shell("echo up; read x")), true);
  REQUIRE(first.WaitFor("up"));
  Going second(world.Next(Shell("echo in; sleep 100")));
  REQUIRE(second.WaitFor("in"));
  first.EndInput();
  CHECK(first.Exit().ok());
  CHECK(second.Exit()->code == 137);
  world.executor.reset();
  world.CheckClean(false);
}

TEST_CASE("signals reach the process itself; a cancelled one is killed alone") {
  Joined world;
  Going first(world.First(Shell("trap 'echo hup' HUP; trap 'echo term; exit 5' TERM; echo up; while :; do sleep 0.1; done")));
  REQUIRE(first.WaitFor("up"));
  first.running().Signal(SIGHUP);
  CHECK(first.WaitFor("hup"));
  Going second(world.Next(Shell("echo in; sleep 100")));
  REQUIRE(second.WaitFor("in"));
  second.running().Signal(SIGKILL);
  CHECK(second.Exit()->code == 137);
  Going third(world.Next(Shell("echo in; sleep 100")));
  REQUIRE(third.WaitFor("in"));
  third.Cancel();
  CHECK(third.Exit().status().code() == absl::StatusCode::kCancelled);
  first.running().Signal(SIGTERM);
  CHECK(first.Exit()->code == 5);
  CHECK(first.WaitFor("term"));
  first.running().Signal(SIGTERM);  // over: nothing happens
}

TEST_CASE("a terminal: what is typed comes back, its size is told, for the first process and for one that joins") {
  Joined world;
  ProcessSpec process = Shell("trap 'stty size' WINCH; echo up; while :; do read l && echo got:$l; [ \"$l\" = end ] && exit 6; done");
  process.tty = true;
  Going first(world.First(process), true);
  REQUIRE(first.WaitFor("up"));
  Going second(world.Next(process), true);
  REQUIRE(second.WaitFor("up"));
  for (Going* one : {&first, &second}) {
    one->running().Resize(33, 77);
    CHECK(one->WaitFor("33 77"));  // it interrupts the read
    one->Type("a\n");
    CHECK(one->WaitFor("got:a\r\n"));
  }
  second.Type("end\n");
  CHECK(second.Exit()->code == 6);
  first.Type("end\n");
  CHECK(first.Exit()->code == 6);
  CHECK(first.text(2).empty());
  world.executor.reset();
  world.CheckClean(false);
}

TEST_CASE("a program that is not there: the runtime's exit code and words") {
  Joined world;
  ProcessSpec missing = Shell("");
  missing.args = {"/no/such"};
  Going first(world.First(missing));
  CHECK(first.Exit()->code == 1);
  CHECK(first.text(2).find("/no/such") != std::string::npos);
}

}  // namespace
}  // namespace bk::exec
