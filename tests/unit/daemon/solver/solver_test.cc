// Whole builds over scripted ops: sharing, cancelling, merging, errors, size.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "daemon/solver/memory_storage.h"
#include "tests/unit/support/solver_fakes.h"
#include "tests/unit/support/scale.h"

namespace bk::solver {
namespace {

using fakes::Script;

struct World {
  fakes::Stage stage;
  MemoryCacheKeyStorage keys;
  fakes::FakeResults results{&stage.journal, "main"};
  std::unique_ptr<Solver> solver = std::make_unique<Solver>(&keys, &results);

  absl::StatusOr<ResultPtr> Build(const Script& root, const std::string& job = "j", const std::string& salt = "") {
    auto handle = *solver->NewJob(job);
    return handle->Build(CancelToken::Never(), {fakes::Vertices(&stage, salt).Of(&root), 0});
  }
  std::vector<std::string> Execs() { return stage.journal.Sorted("exec"); }
};

Script Source(const std::string& name) { return {.name = name, .keys = {DigestOf("key of " + name)}, .content = DigestOf("content of " + name), .inputs = {}, .content_inputs = {}, .selectors = {}, .fails = ""}; }
Script StepOn(const std::string& name, std::vector<const Script*> inputs) {
  Script script = Source(name);
  for (const Script* input : inputs) script.inputs.emplace_back(input, 0);
  return script;
}

TEST_CASE("ten builds at once run each step once") {  // CAC-015
  World world;
  Script a = Source("a"), b = StepOn("b", {&a}), c = StepOn("c", {&a, &b});
  b.hold = true;
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 10; i++) {
    jobs.push_back(*world.solver->NewJob(StrCat("j", i)));
    threads.emplace_back([&, job = jobs.back().get()] {
      auto result = job->Build(CancelToken::Never(), {fakes::Vertices(&world.stage).Of(&c), 0});
      if (result.ok() && fakes::IdOf(*result) == "c:0@run1") good++;
    });
  }
  REQUIRE(world.stage.journal.Await("exec", "b(a:0@run1)"));
  world.stage.gate.Open();
  for (auto& thread : threads) thread.join();
  jobs.clear();
  CHECK(good == 10);
  CHECK(world.Execs() == std::vector<std::string>{"a()", "b(a:0@run1)", "c(a:0@run1,b:0@run1)"});
}

TEST_CASE("cancelling one build leaves the others; the last one's end cancels the step") {
  World world;
  Script a = Source("a"), b = StepOn("b", {&a});
  b.hold = true;
  auto first = *world.solver->NewJob("first"), second = *world.solver->NewJob("second");
  auto root = fakes::Vertices(&world.stage).Of(&b);
  CancelSource stop_first, stop_second;
  absl::Status first_status, second_status;
  std::thread one([&] { first_status = first->Build(stop_first.token(), {root, 0}).status(); });
  REQUIRE(world.stage.journal.Await("exec", "b(a:0@run1)"));
  fakes::SeenSink seen;
  std::thread watch([&] { world.solver->Watch(CancelToken::Never(), "second", std::chrono::seconds(10), seen).IgnoreError(); });
  std::thread two([&] { second_status = second->Build(stop_second.token(), {root, 0}).status(); });
  REQUIRE(seen.Await("b"));
  SUBCASE("the other goes on") {
    stop_first.Cancel();
    one.join();
    first.reset();
    CHECK(absl::IsCancelled(first_status));
    world.stage.gate.Open();
    two.join();
    CHECK(second_status.ok());
    CHECK(world.stage.journal.Of("canceled").empty());
    CHECK(world.Execs().size() == 2);
  }
  SUBCASE("nobody is left") {
    stop_first.Cancel();
    stop_second.Cancel();
    one.join();
    two.join();
    CHECK(absl::IsCancelled(second_status));
    CHECK(world.stage.journal.Await("canceled", "b"));
  }
  second.reset();
  watch.join();
}

TEST_CASE("a step that was cancelled runs again for the next build") {
  World world;
  Script a = Source("a");
  a.hold = true;
  auto root = fakes::Vertices(&world.stage).Of(&a);
  auto keeper = *world.solver->NewJob("keeper");  // keeps the vertex
  CancelSource stop;
  absl::Status status;
  std::thread build([&] { status = keeper->Build(stop.token(), {root, 0}).status(); });
  REQUIRE(world.stage.journal.Await("exec", "a()"));
  stop.Cancel();
  build.join();
  CHECK(absl::IsCancelled(status));
  world.stage.gate.Open();
  auto again = keeper->Build(CancelToken::Never(), {root, 0});
  REQUIRE(again.ok());
  CHECK(fakes::IdOf(*again) == "a:0@run1");
}

// Fails as an op does whose session went away with a build that left.
class LosesSession : public fakes::FakeOp {
 public:
  LosesSession(const Script* script, fakes::Stage* stage, fakes::Gate* gone, int* runs) : FakeOp(script, stage), gone_(gone), runs_(runs) {}
  absl::StatusOr<std::vector<ResultPtr>> Exec(const CancelToken& cancel, OpContext& context, const std::vector<ResultPtr>& inputs) override {
    if ((*runs_)++ > 0) return FakeOp::Exec(cancel, context, inputs);
    stage_journal_->Add("exec", "lost");
    BK_RETURN_IF_ERROR(gone_->Wait(cancel));
    return Cancelled("session gone");
  }
  fakes::Journal* stage_journal_ = nullptr;

 private:
  fakes::Gate* gone_;
  int* runs_;
};

TEST_CASE("a step that failed because one build left is run again for those that stay") {
  World world;
  Script a = Source("a");
  fakes::Gate gone;
  int runs = 0;
  auto vertex = std::make_shared<Vertex>();
  vertex->digest = DigestOf("a");
  vertex->name = "a";
  vertex->make_op = [&]() -> absl::StatusOr<std::unique_ptr<Op>> {
    auto op = std::make_unique<LosesSession>(&a, &world.stage, &gone, &runs);
    op->stage_journal_ = &world.stage.journal;
    return op;
  };
  auto first = *world.solver->NewJob("first"), second = *world.solver->NewJob("second");
  CancelSource stop;
  std::thread one([&] { first->Build(stop.token(), {vertex, 0}).status().IgnoreError(); });
  REQUIRE(world.stage.journal.Await("exec", "lost"));
  fakes::SeenSink seen;
  std::thread watch([&] { world.solver->Watch(CancelToken::Never(), "second", std::chrono::seconds(10), seen).IgnoreError(); });
  absl::StatusOr<ResultPtr> result = Unknown("not run");
  std::thread two([&] { result = second->Build(CancelToken::Never(), {vertex, 0}); });
  REQUIRE(seen.Await("a"));
  stop.Cancel();
  one.join();
  first.reset();
  gone.Open();
  two.join();
  CHECK(result.ok());
  CHECK(runs == 2);
  second.reset();
  watch.join();
}

TEST_CASE("equal steps of different vertices run once, also in different builds") {
  World world;
  Script a = Source("a"), x = StepOn("x", {&a}), y = StepOn("y", {&a});
  y.keys = x.keys;
  Script m = StepOn("m", {&x, &y}), top = StepOn("top", {&m});
  auto result = world.Build(top);
  REQUIRE(result.ok());
  auto execs = world.Execs();
  CHECK(execs.size() == 4);  // a, x or y, m, top
  CHECK(world.stage.journal.Of("load").empty());
}

TEST_CASE("outputs of two equal vertices may be merged crosswise") {
  for (int round = 0; round < 20; round++) {
    World world;
    Script p = Source("p"), q = Source("q");
    Script va = StepOn("va", {&p, &q}), vb = StepOn("vb", {&p, &q}), vc = StepOn("vc", {&p, &q});
    vb.keys = vc.keys = va.keys;
    va.outputs = vb.outputs = vc.outputs = 3;
    Script sum = Source("sum");
    sum.inputs = {{&vb, 0}, {&va, 0}, {&vc, 1}, {&va, 1}, {&va, 2}, {&vb, 2}};
    CHECK(world.Build(sum).ok());
  }
}

TEST_CASE("a step equal to one of its own inputs by content does not wait for itself") {
  World world;
  Script a = Source("a"), x = StepOn("x", {&a}), y = StepOn("y", {&x});
  x.content_inputs = y.content_inputs = {0};
  x.content = y.content = a.content;
  y.keys = x.keys;
  auto result = world.Build(y);
  REQUIRE(result.ok());
}

TEST_CASE("a build that ignores the cache is not given the result of one that does not") {
  World world;
  Script a = Source("a");
  REQUIRE(world.Build(a).ok());
  Script again = a;
  again.ignore_cache = true;
  world.stage.run = "run2";
  auto result = world.Build(again);
  REQUIRE(result.ok());
  CHECK(fakes::IdOf(*result) == "a:0@run2");
}

TEST_CASE("an error reaches every waiter with the vertex that failed") {  // CAC-017
  World world;
  Script a = Source("a"), b = StepOn("b", {&a}), c = StepOn("c", {&b}), d = StepOn("d", {&b});
  b.fails = "exec";
  b.hold = true;
  auto first = *world.solver->NewJob("first"), second = *world.solver->NewJob("second");
  fakes::Vertices vertices(&world.stage);
  auto c_vertex = vertices.Of(&c), d_vertex = vertices.Of(&d);
  absl::Status c_status, d_status;
  std::thread one([&] { c_status = first->Build(CancelToken::Never(), {c_vertex, 0}).status(); });
  std::thread two([&] { d_status = second->Build(CancelToken::Never(), {d_vertex, 0}).status(); });
  REQUIRE(world.stage.journal.Await("exec", "b(a:0@run1)"));
  world.stage.gate.Open();
  one.join();
  two.join();
  for (const absl::Status& status : {c_status, d_status}) {
    CHECK(status.message() == "exec of b failed");
    REQUIRE(HasDetail(status, "errdefs.Vertex"));
    CHECK(Details(status)[0].json == StrCat("{\"digest\":\"", vertices.Of(&b)->digest.str(), "\"}"));
  }
  CHECK(world.stage.journal.Of("exec").size() == 2);
}

TEST_CASE("an output that the op does not have is an error, not a crash") {
  World world;
  Script a = Source("a"), b = Source("b");
  b.inputs = {{&a, 3}};
  CHECK(world.Build(b).status().message() == "invalid response from exec need 3 index but 1 results received");
}

TEST_CASE("results that cannot be loaded are made again") {
  World world;
  Script a = Source("a"), b = StepOn("b", {&a}), c = StepOn("c", {&b});
  REQUIRE(world.Build(c).ok());
  world.results.claim_all = world.results.fail_loads = true;
  world.stage.run = "run2";
  auto result = world.Build(c);
  REQUIRE(result.ok());
  CHECK(fakes::IdOf(*result) == "c:0@run2");
  CHECK(world.stage.journal.Of("exec").size() == 6);
}

TEST_CASE("independent steps overlap in time") {
  World world;
  // Each waits until the other one runs.
  struct Meet : fakes::FakeOp {
    Meet(const Script* script, fakes::Stage* stage, Guarded<int>* here) : FakeOp(script, stage), here_(here) {}
    absl::StatusOr<std::vector<ResultPtr>> Exec(const CancelToken& cancel, OpContext& context, const std::vector<ResultPtr>& inputs) override {
      here_->Change([](int& n) { n++; });
      if (!here_->WaitFor(std::chrono::seconds(10), [](int n) { return n == 2; })) return Unknown("alone");
      return FakeOp::Exec(cancel, context, inputs);
    }
    Guarded<int>* here_;
  };
  Script a = Source("a"), b = Source("b"), c = StepOn("c", {&a, &b});
  Guarded<int> here;
  auto make = [&](const Script* script) {
    auto vertex = std::make_shared<Vertex>();
    vertex->digest = DigestOf(script->name);
    vertex->name = script->name;
    vertex->make_op = [&, script]() -> absl::StatusOr<std::unique_ptr<Op>> { return std::make_unique<Meet>(script, &world.stage, &here); };
    return vertex;
  };
  auto top = std::make_shared<Vertex>();
  top->digest = DigestOf("c");
  top->inputs = {{make(&a), 0}, {make(&b), 0}};
  top->make_op = [&]() -> absl::StatusOr<std::unique_ptr<Op>> { return std::make_unique<fakes::FakeOp>(&c, &world.stage); };
  auto job = *world.solver->NewJob("j");
  CHECK(job->Build(CancelToken::Never(), {top, 0}).ok());
}

// An op without journal, for graphs of many vertices.
class TinyOp : public Op {
 public:
  explicit TinyOp(std::string name, size_t inputs) : name_(std::move(name)), inputs_(inputs) {}
  absl::StatusOr<CacheMap> GetCacheMap(const CancelToken&, OpContext&, int) override {
    CacheMap map;
    map.digest = DigestOf(name_);
    map.deps.resize(inputs_);
    return map;
  }
  absl::StatusOr<std::vector<ResultPtr>> Exec(const CancelToken&, OpContext&, const std::vector<ResultPtr>&) override {
    return std::vector<ResultPtr>{std::make_shared<fakes::FakeResult>(name_, Digest())};
  }
  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }

 private:
  std::string name_;
  size_t inputs_;
};

VertexPtr Chain(int length) {
  VertexPtr below;
  for (int i = 0; i < length; i++) {
    auto vertex = std::make_shared<Vertex>();
    vertex->name = StrCat("v", i);
    vertex->digest = DigestOf(vertex->name);
    if (below != nullptr) vertex->inputs.push_back({below, 0});
    vertex->make_op = [name = vertex->name, inputs = vertex->inputs.size()]() -> absl::StatusOr<std::unique_ptr<Op>> { return std::make_unique<TinyOp>(name, inputs); };
    below = vertex;
  }
  return below;
}

TEST_CASE("a long chain of steps is built, and found again in the cache") {
  constexpr int kLength = test::kLarge;
  World world;
  {
    auto job = *world.solver->NewJob("first");
    auto result = job->Build(CancelToken::Never(), {Chain(kLength), 0});
    REQUIRE(result.ok());
    CHECK(fakes::IdOf(*result) == StrCat("v", kLength - 1));
  }
  CHECK(world.stage.journal.Of("save").size() == kLength);
  auto job = *world.solver->NewJob("second");
  REQUIRE(job->Build(CancelToken::Never(), {Chain(kLength), 0}).ok());
  CHECK(world.stage.journal.Of("load").size() == 1);
  CHECK(world.stage.journal.Of("save").size() == kLength);
}

TEST_CASE("a build that comes later is told what was said before, with inputs and times") {
  World world;
  Script a = Source("a"), b = StepOn("b", {&a});
  auto first = *world.solver->NewJob("first");
  auto root = fakes::Vertices(&world.stage).Of(&b);
  REQUIRE(first->Build(CancelToken::Never(), {root, 0}).ok());
  auto second = *world.solver->NewJob("second");
  REQUIRE(second->Build(CancelToken::Never(), {root, 0}).ok());
  second.reset();
  fakes::SeenSink seen;
  REQUIRE(world.solver->Watch(CancelToken::Never(), "second", std::chrono::seconds(0), seen).ok());
  auto events = seen.Of("b");
  REQUIRE(events.size() == 3);
  CHECK(events[0].started_ns == 0);
  CHECK(events[1].started_ns != 0);
  CHECK(events[1].completed_ns == 0);
  CHECK(events[2].completed_ns >= events[2].started_ns);
  CHECK(events[2].inputs == std::vector<Digest>{DigestOf("a")});
  CHECK_FALSE(events[2].cached);
}

TEST_CASE("what is in the cache is told as cached, also what is below it") {  // CAC-016
  World world;
  Script a = Source("a"), b = StepOn("b", {&a}), c = StepOn("c", {&b});
  REQUIRE(world.Build(c, "first").ok());
  REQUIRE(world.Build(c, "second").ok());
  fakes::SeenSink seen;
  REQUIRE(world.solver->Watch(CancelToken::Never(), "second", std::chrono::seconds(0), seen).ok());
  for (const char* name : {"b", "c"}) {
    auto events = seen.Of(name);
    CHECK(events.back().cached);
    CHECK(events.back().started_ns != 0);
    CHECK(events.back().completed_ns != 0);
  }
}

TEST_CASE("a result is stored before a client is told that the step is done") {
  World world;
  Script a = Source("a");
  struct Check : fakes::SeenSink {
    void Vertex(const VertexEvent& event) override {
      // The source's cache map completes, too: only the last completion counts.
      if (event.completed_ns != 0) stored = keys->Exists(RootKeyId(DigestOf("key of a"), 0));
    }
    static std::string RootKeyId(const Digest& digest, int output) { return DigestOf(StrCat(digest.str(), "@", output)).str(); }
    MemoryCacheKeyStorage* keys = nullptr;
    bool stored = false;
  } sink;
  sink.keys = &world.keys;
  std::thread watch([&] { world.solver->Watch(CancelToken::Never(), "j", std::chrono::seconds(10), sink).IgnoreError(); });
  CHECK(world.Build(a).ok());
  watch.join();
  CHECK(sink.stored);
}

TEST_CASE("a failed step is told with its error, started and completed") {
  World world;
  Script a = Source("a"), b = StepOn("b", {&a});
  b.fails = "exec";
  CHECK_FALSE(world.Build(b).ok());
  fakes::SeenSink seen;
  REQUIRE(world.solver->Watch(CancelToken::Never(), "j", std::chrono::seconds(0), seen).ok());
  CHECK(seen.Of("b").back().error == "exec of b failed");
  CHECK(seen.Of("b").back().completed_ns != 0);
}

TEST_CASE("a job id is taken until the job ends; unknown jobs are not found") {  // RPC-003
  World world;
  auto job = *world.solver->NewJob("x");
  CHECK(world.solver->NewJob("x").status().message() == "job ID x exists");
  job.reset();
  CHECK(world.solver->NewJob("x").ok());
  fakes::SeenSink seen;
  auto status = world.solver->Watch(CancelToken::Never(), "y", std::chrono::seconds(0), seen);
  CHECK(absl::IsNotFound(status));
  CHECK(status.message() == "no such job y");
}

}  // namespace
}  // namespace bk::solver
