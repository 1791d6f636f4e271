// Random graphs, built by several jobs at once over one cache: nothing hangs, and every result is what its definition says.
#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "daemon/solver/memory_storage.h"
#include "tests/unit/support/solver_fakes.h"

namespace bk::solver {
namespace {

using fakes::Script;

// Ops of few kinds over few sources, so that keys and contents are often equal. The kind decides everything but the name.
struct RandomGraph {
  RandomGraph(std::mt19937& random, int size, const std::string& prefix) {
    auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (int i = 0; i < size; i++) {
      auto script = std::make_unique<Script>();
      script->name = StrCat(prefix, i);
      int kind = below(6), inputs = i < 3 ? 0 : below(4);
      std::string text = StrCat("kind ", kind, " of ", inputs);
      for (int j = 0; j < inputs; j++) {
        const Script* input = scripts[static_cast<size_t>(below(i))].get();
        script->inputs.emplace_back(input, 0);
        if ((kind + j) % 2 == 0) script->content_inputs.insert(j);
        if ((kind + j) % 3 == 0) script->selectors[j] = DigestOf(StrCat("selector ", kind));
      }
      if (inputs == 0) {
        script->keys = {DigestOf(StrCat("source ", kind))};
        if (kind % 3 == 1) script->keys.insert(script->keys.begin(), DigestOf(StrCat(prefix, "first key ", kind)));
        script->content = DigestOf(StrCat("content ", kind % 4));
      } else {
        script->keys = {DigestOf(text)};
        // Some change nothing: their content is that of their first input.
        std::string all = text;
        for (const auto& [input, output] : script->inputs) all += input->content.str();
        script->content = kind % 3 == 0 && inputs == 1 ? script->inputs[0].first->content : DigestOf(all);
      }
      script->ignore_cache = below(12) == 0;
      scripts.push_back(std::move(script));
    }
  }
  std::vector<std::unique_ptr<Script>> scripts;
};

void BuildAtOnce(fakes::Stage& stage, Solver& solver, const RandomGraph& graph, std::mt19937& random, int jobs) {
  struct Running {
    std::unique_ptr<Job> job;
    CancelSource cancel;
    absl::StatusOr<ResultPtr> result = Unknown("not run");
    const Script* root = nullptr;
    bool cancelled = false;
    std::thread thread;
  };
  fakes::Vertices vertices(&stage);
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < jobs; i++) {
    auto& running = *all.emplace_back(std::make_unique<Running>());
    running.job = *solver.NewJob(StrCat("job", i));
    running.root = graph.scripts[graph.scripts.size() - 1 - random() % 5].get();
    running.cancelled = random() % 4 == 0;
    auto vertex = vertices.Of(running.root);
    running.thread = std::thread([&running, vertex] { running.result = running.job->Build(running.cancel.token(), {vertex, 0}); });
  }
  for (auto& running : all) {
    if (running->cancelled) running->cancel.Cancel();
  }
  for (auto& running : all) {
    running->thread.join();
    running->job.reset();
    if (!running->result.ok()) {
      INFO(running->root->name, ": ", running->result.status().ToString());
      CHECK(running->cancelled);
    } else {
      CHECK(static_cast<const fakes::FakeResult&>(**running->result).content == running->root->content);
    }
  }
}

TEST_CASE("random graphs end, with the right results, whatever is cached, merged or cancelled") {
  for (unsigned seed = 1; seed <= 150; seed++) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    MemoryCacheKeyStorage keys;
    fakes::FakeResults results(nullptr, "main");
    for (int round = 0; round < 4; round++) {
      fakes::Stage stage;
      stage.run = StrCat("run", round);
      results.UseJournal(&stage.journal);
      results.claim_all = results.fail_loads = round == 3;
      RandomGraph graph(random, 25, StrCat("v", round % 2, "-"));
      Solver solver(&keys, &results);
      BuildAtOnce(stage, solver, graph, random, 4);
    }
  }
}

}  // namespace
}  // namespace bk::solver
