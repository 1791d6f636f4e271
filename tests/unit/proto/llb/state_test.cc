#include "proto/llb/state.h"
#include "tests/unit/support/scale.h"

#include <doctest/doctest.h>

using namespace bk;

namespace {
const Platform kLinux{"linux", "amd64"};

llb::State RunOn(const llb::State& state, std::string word) {
  llb::ExecOptions options;
  options.args = {std::move(word)};
  return state.Run(std::move(options));
}
}  // namespace

TEST_CASE("equal operations of two branches are written once") {
  llb::Graph graph;
  llb::State base = llb::Image(graph, "docker.io/library/a:latest", {});
  llb::State merged = RunOn(base, "x").Merge({RunOn(base, "x")}, {});
  auto definition = graph.Marshal(merged.output(), kLinux);
  REQUIRE(definition.ok());
  CHECK(definition->def_size() == 4);  // image, run, merge, last
}

TEST_CASE("the empty tree has an empty definition") {
  llb::Graph graph;
  CHECK(graph.Marshal(llb::State::Scratch(graph).output(), kLinux)->def_size() == 0);
}

TEST_CASE("a long chain of operations is written without recursion") {
  llb::Graph graph;
  llb::State state = llb::State::Scratch(graph);
  for (int i = 0; i < test::kLarge; i++) state = state.File({llb::MakeDirStep("/d", 0755, false, std::nullopt, std::nullopt)}, {});
  auto definition = graph.Marshal(state.output(), kLinux);
  REQUIRE(definition.ok());
  CHECK(definition->def_size() == test::kLarge + 1);
}

TEST_CASE("copies of an environment do not see each other") {
  llb::EnvList a;
  a.Set("X", "1");
  llb::EnvList b = a;
  a.Set("Y", "2");
  b.Set("X", "3");
  CHECK(a.ToArray() == std::vector<std::string>{"X=1", "Y=2"});
  CHECK(b.ToArray() == std::vector<std::string>{"X=3"});
}
