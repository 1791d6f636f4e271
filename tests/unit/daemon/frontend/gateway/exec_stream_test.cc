// DFE-117, DFE-121: processes on a stream, with a container that does what the test says.
#include "daemon/frontend/gateway/exec_stream.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <deque>
#include <set>
#include <thread>

#include "base/guarded.h"

namespace bk::frontend::gateway {
namespace {

// The client's side: messages to read, and what was written, of which only so many are taken.
class FakeStream final : public ExecStream {
 public:
  struct State {
    std::deque<api::ExecMessage> in;
    std::vector<api::ExecMessage> out;
    size_t room = 1 << 20;
    bool half_closed = false, stopped = false;
  };
  bool Read(api::ExecMessage& message) override {
    bool read = state.WaitThen([](const State& s) { return !s.in.empty() || s.half_closed || s.stopped; },
                              [&](State& s) {
                                if (s.stopped || s.in.empty()) return false;
                                message = s.in.front();
                                s.in.pop_front();
                                return true;
                              });
    state.Change([](State&) {});  // wakes who waits for that
    return read;
  }
  absl::Status Write(const api::ExecMessage& message) override {
    state.WaitThen([](const State& s) { return s.room > 0; },
                   [&](State& s) {
                     s.room--;
                     s.out.push_back(message);
                   });
    state.Change([](State&) {});
    return absl::OkStatus();
  }
  void StopReading() override {
    state.Change([](State& s) { s.stopped = true; });
  }
  void Send(const std::string& process, const std::function<void(api::ExecMessage&)>& fill) {
    api::ExecMessage message;
    message.set_processid(process);
    fill(message);
    state.Change([&](State& s) { s.in.push_back(message); });
  }
  void HalfClose() {
    state.Change([](State& s) { s.half_closed = true; });
  }
  // "process: what" of each message that was written.
  std::vector<std::string> Out() {
    return state.With([](const State& s) {
      std::vector<std::string> all;
      for (const api::ExecMessage& m : s.out) {
        std::string what = m.has_started() ? "started" : m.has_done() ? "done" : m.has_exit() ? StrCat("exit ", m.exit().code()) : "";
        if (m.has_file()) what = StrCat("file ", m.file().fd(), m.file().eof() ? " eof" : " " + m.file().data());
        all.push_back(StrCat(m.processid(), ": ", what));
      }
      return all;
    });
  }
  Guarded<State> state;
};

// What was done to a process; it ends when it is told to, or killed.
struct Done {
  struct State {
    std::vector<std::string> calls;
    bool over = false;
    ProcessEnd end;
    ProcessRequest request;
  };
  Guarded<State> state;
  void Note(std::string call) {
    state.Change([&](State& s) { s.calls.push_back(std::move(call)); });
  }
  void End(int code) {
    state.Change([&](State& s) {
      s.over = true;
      s.end.code = code;
    });
  }
};

class FakeProcess final : public ContainerProcess {
 public:
  explicit FakeProcess(std::shared_ptr<Done> done) : done_(std::move(done)) {}
  ~FakeProcess() override {
    Kill();
    Wait();
  }
  void Signal(int number) override { done_->Note(StrCat("signal ", number)); }
  void Resize(uint16_t rows, uint16_t columns) override { done_->Note(StrCat("resize ", rows, "x", columns)); }
  void Kill() override {
    done_->state.Change([](Done::State& s) {
      if (!s.over) s.end.code = 137;
      s.over = true;
    });
  }
  ProcessEnd Wait() override {
    return done_->state.WaitThen([](const Done::State& s) { return s.over; }, [](const Done::State& s) { return s.end; });
  }
  bool WaitFor(std::chrono::milliseconds time) override {
    return done_->state.WaitFor(time, [](const Done::State& s) { return s.over; });
  }
  bool ReadsInput() override { return true; }

 private:
  const std::shared_ptr<Done> done_;
};

class FakeContainer final : public Container {
 public:
  absl::StatusOr<std::unique_ptr<ContainerProcess>> Start(const CancelToken&, ProcessRequest request) override {
    std::string name = request.meta.args(0);
    if (name == "fails") return Unknown("it does not start");
    auto done = std::make_shared<Done>();
    done->state.With([&](Done::State& s) { s.request = std::move(request); });
    processes.Change([&](auto& all) { all[name] = done; });
    return std::make_unique<FakeProcess>(done);
  }
  absl::StatusOr<std::string> ReadFile(int, const std::string&, int64_t, int64_t) override { return Unimplemented("ReadFile"); }
  absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken&, int, const std::string&, const std::string&) override { return Unimplemented("ReadDir"); }
  absl::StatusOr<FileStat> StatFile(int, const std::string&) override { return Unimplemented("StatFile"); }
  absl::Status Release() override { return absl::OkStatus(); }
  std::shared_ptr<Done> Process(const std::string& name) {
    return processes.WaitThen([&](const auto& all) { return all.contains(name); }, [&](const auto& all) { return all.at(name); });
  }
  Guarded<std::map<std::string, std::shared_ptr<Done>>> processes;
};

// A call under way.
struct Call {
  FakeStream stream;
  std::shared_ptr<FakeContainer> container = std::make_shared<FakeContainer>();
  CancelSource cancel;
  absl::Status status;
  std::thread thread;

  Call() {
    thread = std::thread([this] {
      status = ServeExec(cancel.token(), stream, [this](const std::string& id) { return id == "c" ? container : nullptr; });
    });
  }
  ~Call() {
    if (thread.joinable()) Cancel();
  }
  absl::Status End() {
    stream.HalfClose();
    thread.join();
    return status;
  }
  absl::Status Cancel() {
    cancel.Cancel();
    thread.join();
    return status;
  }
  absl::Status Refused() {
    thread.join();
    return status;
  }
  std::shared_ptr<Done> Start(const std::string& id, std::vector<uint32_t> fds = {}) {
    stream.Send(id, [&](api::ExecMessage& m) {
      m.mutable_init()->set_containerid("c");
      m.mutable_init()->mutable_meta()->add_args(id);
      for (uint32_t fd : fds) m.mutable_init()->add_fds(fd);
    });
    return container->Process(id);
  }
  void Type(const std::string& id, const std::string& bytes, bool eof, uint32_t fd = 0) {
    stream.Send(id, [&](api::ExecMessage& m) {
      m.mutable_file()->set_fd(fd);
      m.mutable_file()->set_data(bytes);
      m.mutable_file()->set_eof(eof);
    });
  }
  void Signal(const std::string& id, const std::string& name) {
    stream.Send(id, [&](api::ExecMessage& m) { m.mutable_signal()->set_name(name); });
  }
  void Resize(const std::string& id, uint32_t rows, uint32_t cols) {
    stream.Send(id, [&](api::ExecMessage& m) {
      m.mutable_resize()->set_rows(rows);
      m.mutable_resize()->set_cols(cols);
    });
  }
};

using Texts = std::vector<std::string>;

TEST_CASE("a process: started, what it writes on what was asked for, ends of streams, exit, done") {
  Call call;
  auto p = call.Start("p", {0, 1});
  auto output = p->state.With([](const Done::State& s) { return s.request.output; });
  output(1, "out");
  output(2, "nobody asked for this");
  p->End(3);
  CHECK(call.End().ok());
  CHECK(call.stream.Out() == Texts{"p: started", "p: file 1 out", "p: file 1 eof", "p: exit 3", "p: done"});
}

TEST_CASE("signals and sizes reach the process in the order they were sent in, behind what was typed before them") {
  Call call;
  auto p = call.Start("p", {0});
  int input = dup(p->state.With([](const Done::State& s) { return s.request.stdin_fd; }));
  call.Resize("p", 24, 80);
  call.Type("p", "typed", false);
  call.Signal("p", "WINCH");
  call.Resize("p", 33, 77);
  call.Signal("p", "RTMIN+3");
  call.Type("p", "", true);
  std::string text;
  char buffer[64];
  for (ssize_t n; (n = read(input, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(input);
  CHECK(text == "typed");
  CHECK(p->state.With([](const Done::State& s) { return s.calls; }) == Texts{"resize 24x80", "signal 28", "resize 33x77", StrCat("signal ", SIGRTMIN + 3)});
  p->End(0);
  CHECK(call.End().ok());
}

TEST_CASE("after the client's half-close what runs goes on to its end") {
  Call call;
  auto a = call.Start("a"), b = call.Start("b");
  call.stream.HalfClose();
  a->End(1);
  b->End(2);
  CHECK(call.End().ok());
  auto out = call.stream.Out();
  CHECK(std::multiset<std::string>(out.begin(), out.end()) == std::multiset<std::string>{"a: started", "a: exit 1", "a: done", "b: started", "b: exit 2", "b: done"});
}

TEST_CASE("a cancelled stream kills its processes, also one that does not read what is typed") {
  Call call;
  auto p = call.Start("p", {0});
  auto other = call.Start("other");
  for (int i = 0; i < 8; i++) call.Type("p", std::string(1 << 20, 'x'), false);
  call.stream.state.Wait([](const FakeStream::State& s) { return s.in.size() <= 5; });  // two fill the pipe and the queue, the third waits
  CHECK(call.Cancel().code() == absl::StatusCode::kCancelled);
  for (auto& process : {p, other}) CHECK(process->state.With([](const Done::State& s) { return s.end.code; }) == 137);
}

TEST_CASE("a client that does not read holds up the process, and nothing is kept for it") {
  Call call;
  call.stream.state.With([](FakeStream::State& s) { s.room = 3; });
  auto p = call.Start("p", {1});
  auto output = p->state.With([](const Done::State& s) { return s.request.output; });
  Guarded<int> written;
  std::thread writer([&] {
    for (int i = 0; i < 100; i++) {
      output(1, "x");
      written.Change([](int& n) { n++; });
    }
  });
  written.Wait([](int n) { return n == 2; });  // and "started"
  CHECK(call.stream.Out().size() == 3);
  call.stream.state.Change([](FakeStream::State& s) { s.room = 1000; });
  writer.join();
  p->End(0);
  CHECK(call.End().ok());
  CHECK(call.stream.Out().size() == 1 + 100 + 3);
}

TEST_CASE("messages that make no sense end the stream and its processes") {
  struct Case {
    std::function<void(Call&)> send;
    absl::StatusCode code;
    const char* text;
  };
  using Code = absl::StatusCode;
  const Case cases[] = {
      {[](Call& c) { c.Type("q", "x", false); }, Code::kNotFound, "IO for process \"q\" not found"},
      {[](Call& c) { c.Resize("q", 1, 1); }, Code::kNotFound, "IO for process \"q\" not found"},
      {[](Call& c) { c.Signal("p", "NOSUCH"); }, Code::kInvalidArgument, "Unknown signal NOSUCH"},
      {[](Call& c) { c.Type("p", "x", false, 7); }, Code::kOutOfRange, "fd 7 unavailable to write"},
      {[](Call& c) { c.Type("p", "x", false); }, Code::kOutOfRange, "fd 0 unavailable to write"},
      {[](Call& c) { c.Type("", "x", false); }, Code::kInvalidArgument, "ProcessID required"},
      {[](Call& c) { c.stream.Send("p", [](api::ExecMessage& m) { m.mutable_init()->set_containerid("c"); }); }, Code::kAlreadyExists, "Process p already exists"},
      {[](Call& c) { c.stream.Send("q", [](api::ExecMessage& m) { m.mutable_init()->set_containerid("d"); }); }, Code::kNotFound, "container \"d\" previously released or not created"},
  };
  for (const Case& one : cases) {
    Call call;
    auto p = call.Start("p", {1});
    one.send(call);
    absl::Status refused = call.Refused();
    CHECK(refused.code() == one.code);
    CHECK(refused.message() == one.text);
    CHECK(p->state.With([](const Done::State& s) { return s.end.code; }) == 137);
  }
  Call call;
  call.stream.Send("p", [](api::ExecMessage& m) {
    m.mutable_init()->set_containerid("c");
    m.mutable_init()->mutable_meta()->add_args("fails");
  });
  CHECK(call.Refused().message() == "it does not start");
}

TEST_CASE("names of signals") {
  CHECK(SignalNumber("TERM") == SIGTERM);
  CHECK(SignalNumber("IOT") == SIGABRT);
  CHECK(SignalNumber("RTMAX-1") == SIGRTMAX - 1);
  for (const char* name : {"", "SIGTERM", "term", "9", "RTMIN+99", "RTMIN+", "RTMIN+-1", "RTMIN+333333333333", "RTMAX-40"}) CHECK_MESSAGE(SignalNumber(name) == 0, name);
}

}  // namespace
}  // namespace bk::frontend::gateway
