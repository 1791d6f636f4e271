#include "proto/llb/import.h"

#include <doctest/doctest.h>

#include "base/digest.h"
#include "proto/llb/state.h"

using namespace bk;

namespace {
const Platform kArm{"linux", "arm64"};

const llb::SourceMap kFile{"Dockerfile", "Dockerfile", "FROM a", nullptr};

pb::Definition Made() {
  llb::Graph graph;
  llb::ExecOptions options;
  options.args = {"x"};
  options.op.ignore_cache = true;
  options.op.export_cache = true;
  options.op.Name("named");
  options.op.progress_group.emplace().set_id("group");
  options.op.locations = {{&kFile, {pb::Range()}}};
  llb::State base = llb::Image(graph, "docker.io/library/a:latest", {});
  return graph.Marshal(base.Run(options).output(), kArm).value();
}
}  // namespace

TEST_CASE("an imported definition is written again as it was") {
  pb::Definition given = Made();
  llb::Graph graph;
  auto imported = llb::Import(graph, given);
  REQUIRE(imported.ok());
  CHECK(imported->platform->architecture == "arm64");
  auto again = graph.Marshal(imported->output, {"linux", "amd64"});
  REQUIRE(again.ok());
  REQUIRE(again->def_size() == given.def_size());
  for (int i = 0; i < given.def_size(); i++) CHECK(again->def(i) == given.def(i));
  std::string digest = DigestOf(given.def(1)).str();
  CHECK(again->metadata().at(digest).DebugString() == given.metadata().at(digest).DebugString());
  CHECK(again->source().infos(0).filename() == "Dockerfile");
  CHECK(again->source().locations().at(digest).locations_size() == 1);
}

TEST_CASE("operations on an imported tree, equal ones of both are one") {
  llb::Graph graph;
  llb::State own = llb::Image(graph, "docker.io/library/a:latest", {{kArm}, ""});
  auto imported = llb::Import(graph, Made());
  REQUIRE(imported.ok());
  llb::State merged = own.Merge({llb::State(graph, imported->output)}, {});
  CHECK(graph.Marshal(merged.output(), kArm)->def_size() == 4);  // image, run, merge, last
}

TEST_CASE("the empty definition is the empty tree; a damaged one is refused") {
  llb::Graph graph;
  CHECK(llb::Import(graph, {})->output.empty());
  auto refused = [](auto change) {
    llb::Graph own;
    pb::Definition definition = Made();
    change(definition);
    return Message(llb::Import(own, definition).status());
  };
  CHECK(refused([](auto& d) { d.set_def(1, "\xff"); }) == "failed to parse llb proto op");
  CHECK(refused([](auto& d) { d.clear_def(), d.add_def(""); }) == "invalid definition: its last op has 0 inputs, not 1");
  CHECK(refused([](auto& d) { d.mutable_def()->SwapElements(0, 1); }).find("unknown op \"sha256:") != std::string::npos);
  CHECK(refused([](auto& d) { (*d.mutable_source()->mutable_locations())[DigestOf(d.def(0)).str()].add_locations()->set_sourceindex(7); }) ==
        "failed to find source map with index 7");
}
