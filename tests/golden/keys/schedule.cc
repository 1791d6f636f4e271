// golden/keys/schedule: whole builds over fake ops; what is run, digested, loaded and saved. [CAC-002, CAC-007 … CAC-009]
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "daemon/solver/memory_storage.h"
#include "tests/golden/keys/suites.h"
#include "tests/unit/support/solver_fakes.h"

namespace bk::golden::keys {
namespace {

using fakes::Script;

Digest AnyDigest(const std::string& text) {
  size_t colon = text.find(':');
  return Digest::FromParts(text.substr(0, colon), text.substr(colon + 1));
}

struct Cache {
  explicit Cache(const std::string& name) : results(nullptr, name) {}
  solver::MemoryCacheKeyStorage keys;
  fakes::FakeResults results;
};

struct Scripts {
  std::map<std::string, std::unique_ptr<Script>> by_name;

  void Add(const Json& v) {
    auto script = std::make_unique<Script>();
    script->name = v.at("name");
    for (const auto& key : v.at("keys")) script->keys.push_back(AnyDigest(key));
    script->content = AnyDigest(v.at("content"));
    script->outputs = v.value("outputs", 1);
    script->ignore_cache = v.value("ignore_cache", false);
    script->fails = v.value("fails", "");
    script->hold = v.value("hold", false);
    for (const auto& input : v.value("inputs", Json::array())) {
      std::string text = input;
      size_t colon = text.find(':');
      script->inputs.emplace_back(by_name.at(text.substr(0, colon)).get(), colon == std::string::npos ? 0 : std::stoi(text.substr(colon + 1)));
    }
    for (const auto& input : v.value("content_digest_for_inputs", Json::array())) script->content_inputs.insert(input.get<int>());
    const Json selectors = v.value("selectors", Json::object());
    for (const auto& [input, selector] : selectors.items()) script->selectors[std::stoi(input)] = AnyDigest(selector);
    by_name[script->name] = std::move(script);
  }
};

struct RunningJob {
  std::string name;
  std::unique_ptr<solver::Job> job;
  CancelSource cancel;
  fakes::SeenSink seen;
  absl::StatusOr<solver::ResultPtr> outcome = Unknown("not run");
  std::thread build, watch;
};

// Starts jobs as the case says; returns when all ended. The first alone until a held op runs, if there is one.
void RunJobs(const Json& run, solver::Solver& solver, Scripts& scripts, fakes::Stage& stage, std::vector<std::unique_ptr<RunningJob>>& jobs) {
  fakes::Vertices vertices(&stage);
  const Script* held = nullptr;
  for (const auto& [name, script] : scripts.by_name) held = script->hold ? script.get() : held;
  for (const auto& j : run.at("jobs")) {
    auto& running = *jobs.emplace_back(std::make_unique<RunningJob>());
    running.name = j.at("name");
    running.job = *solver.NewJob(running.name);
    solver::VertexPtr root = vertices.Of(scripts.by_name.at(j.at("root")).get());
    running.build = std::thread([&running, root] { running.outcome = running.job->Build(running.cancel.token(), {root, 0}); });
    running.watch = std::thread([&running, &solver] { solver.Watch(CancelToken::Never(), running.name, std::chrono::seconds(10), running.seen).IgnoreError(); });
    if (held == nullptr) {
      running.build.join();
    } else if (jobs.size() == 1) {
      std::string inputs;
      for (const auto& [input, output] : held->inputs) inputs += StrCat(inputs.empty() ? "" : ",", input->name, ":", output, "@", stage.run);
      stage.journal.Await("exec", StrCat(held->name, "(", inputs, ")"));
    } else {
      running.seen.Await(root->name);
    }
  }
  if (held == nullptr) return;
  std::string cancelled = run.value("cancel_job", "");
  for (auto& running : jobs) {
    if (running->name != cancelled) continue;
    running->cancel.Cancel();
    running->build.join();
    if (jobs.size() == 1) stage.journal.Await("canceled", held->name);
  }
  stage.gate.Open();
  for (auto& running : jobs) {
    if (running->build.joinable()) running->build.join();
  }
}

// `must` ⊆ got ⊆ must ∪ may, as multisets for `must`.
absl::Status ExpectList(const std::string& what, std::vector<std::string> got, const Json& expect, bool as_set) {
  std::multiset<std::string> rest(got.begin(), got.end());
  if (as_set) {
    std::set<std::string> unique(got.begin(), got.end());
    rest = std::multiset<std::string>(unique.begin(), unique.end());
  }
  for (const auto& text : expect.value(what, Json::array())) {
    auto it = rest.find(text);
    if (it == rest.end()) return Unknown(what, ": missing ", text.get<std::string>());
    rest.erase(it);
  }
  std::set<std::string> may;
  for (const auto& text : expect.value(what + "_sometimes", Json::array())) may.insert(text);
  for (const std::string& text : rest) {
    if (!may.contains(text)) return Unknown(what, ": unexpected ", text);
  }
  return absl::OkStatus();
}

absl::Status CheckRun(const Json& expect, const fakes::Stage& stage, const std::vector<std::unique_ptr<RunningJob>>& jobs) {
  for (const char* what : {"cachemap", "content", "exec", "load", "save", "canceled"}) {
    BK_RETURN_IF_ERROR(ExpectList(what, stage.journal.Sorted(what), expect, std::string_view(what) == "save"));
  }
  for (const auto& running : jobs) {
    const Json& want = expect.at("jobs").at(running->name);
    if (want.contains("export_max")) return Unknown("cache exports are not compared");
    if (want.contains("error")) {
      BK_RETURN_IF_ERROR(ExpectText("error of " + running->name, Message(running->outcome.status()), want.at("error").get<std::string>()));
    } else if (!running->outcome.ok()) {
      return Unknown("job ", running->name, ": ", Message(running->outcome.status()));
    } else {
      BK_RETURN_IF_ERROR(ExpectText("result of " + running->name, fakes::IdOf(*running->outcome), want.at("result").get<std::string>()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunSchedule(const Json& c, const std::string&) {
  std::map<std::string, std::unique_ptr<Cache>> caches;
  int number = 0;
  for (const auto& run : c.at("runs")) {
    fakes::Stage stage;
    stage.run = StrCat("run", ++number);
    std::string name = run.at("cache");
    auto& cache = caches[name];
    if (cache == nullptr) cache = std::make_unique<Cache>(name);
    cache->results.UseJournal(&stage.journal);
    for (const auto& lost : run.value("lose_results", Json::array())) cache->results.Lose(lost);
    Scripts scripts;
    for (const auto& v : run.at("vertices")) {
      if (v.contains("cache_sources")) return Unknown("imported caches are not compared");
      scripts.Add(v);
    }
    std::vector<std::unique_ptr<RunningJob>> jobs;
    {
      solver::Solver solver(&cache->keys, &cache->results);
      RunJobs(run, solver, scripts, stage, jobs);
      for (auto& running : jobs) {
        running->job.reset();
        running->watch.join();
      }
    }
    BK_RETURN_IF_ERROR(CheckRun(run.at("expect"), stage, jobs));
  }
  return absl::OkStatus();
}

}  // namespace bk::golden::keys
