#include "daemon/llb/engine.h"

#include <doctest/doctest.h>

#include <thread>

#include "daemon/llb/error_details.h"
#include "tests/unit/daemon/llb/engine_fakes.h"

using namespace bk;
using namespace bk::fakes;

TEST_CASE("a definition becomes a tree that every exporter gets") {
  EngineFixture f;
  f.ops.trees["tree://a"] = std::make_shared<DirRef>("A");
  auto request = f.Request(f.Tree("tree://a"));
  request.exporters = {{"test", {{"name", "one"}}}, {"test", {{"name", "two"}}}};
  auto response = f.engine->Solve(CancelToken(), request);
  REQUIRE(response.ok());
  CHECK(response->exporter_response == std::map<std::string, std::string>{{"one", "0 A"}, {"two", "1 A"}});
  RecordingSink said = f.Watched();
  REQUIRE(said.Last("exporting to two") != nullptr);
  CHECK(said.Last("exporting to two")->digest == DigestOf("session-export-1"));
  CHECK(said.Last("exporting to two")->completed_ns != 0);
}

TEST_CASE("a step that ignores the cache drops its cache mounts before it runs") {
  EngineFixture f;
  DefinitionWriter writer;
  pb::Op op = DefinitionWriter::Exec("x");
  op.mutable_exec()->mutable_mounts(0)->set_input(-1);
  for (const char* id : {"", "named"}) {
    pb::Mount* mount = op.mutable_exec()->add_mounts();
    mount->set_mounttype(pb::CACHE);
    mount->set_dest("/at");
    mount->set_input(*id == '\0' ? -1 : 0);
    mount->mutable_cacheopt()->set_id(id);
  }
  std::string exec = writer.Add(op, {writer.Source("tree://a")});
  f.ops.trees["tree://a"] = nullptr;
  (void)f.engine->Solve(CancelToken(), f.Request(writer.Share(exec)));
  CHECK(f.ops.dropped.With([](auto& list) { return list.empty(); }));
  writer.Metadata(exec).set_ignore_cache(true);
  (void)f.engine->Solve(CancelToken(), f.Request(std::make_shared<const pb::Definition>(writer.definition())));
  CHECK(f.ops.dropped.With([](auto& list) { return list; }) == std::vector<std::string>{"/at", "named:"});
}

TEST_CASE("without exporters, and with an empty definition, a build succeeds") {
  EngineFixture f;
  CHECK(f.engine->Solve(CancelToken(), f.Request(std::make_shared<const pb::Definition>())).ok());
  f.ops.trees["tree://a"] = nullptr;
  CHECK(f.engine->Solve(CancelToken(), f.Request(f.Tree("tree://a"))).ok());
}

TEST_CASE("what cannot be done is refused before anything runs") {
  EngineFixture f;
  auto refused = [&](auto change) {
    auto request = f.Request(f.Tree("tree://a"));
    change(request);
    return Message(f.engine->Solve(CancelToken(), request).status());
  };
  CHECK(refused([](auto& r) { r.exporters = {{"weird", {}}}; }) == "exporter \"weird\" could not be found");
  CHECK(refused([](auto& r) { r.exporters = {{"test", {{"bad", ""}}}}; }) == "bad attribute");
  CHECK(refused([](auto& r) { r.entitlements = {"security.insecure"}; }) == "granting entitlement security.insecure is not allowed by build daemon configuration");
  CHECK(refused([](auto& r) { r.entitlements = {"network.none"}; }) == "unknown entitlement network.none");
  CHECK(refused([](auto& r) { r.cache_exports = {{"weird", {}}}; }) == "unknown cache exporter: \"weird\"");
  CHECK(refused([](auto& r) { r.cache_exports = {{"inline", {}}}; }) == "cache export of type inline is not built yet");
  CHECK(refused([](auto& r) { r.cache_exports = {{"registry", {{"ref", "a"}}}, {"registry", {{"ref", "a"}, {"mode", "max"}}}}; }) == "duplicate cache exports [registry]");
  CHECK(refused([](auto& r) { r.frontend_attrs["attest:nosuch"] = ""; }) == "unknown attestation type \"nosuch\"");
  CHECK(refused([](auto& r) { r.frontend_attrs["attest:provenance"] = "mode=most"; }) == "invalid mode \"most\"");
  CHECK(refused([](auto& r) { r.frontend = "nosuch.v0", r.definition = nullptr; }) == "invalid frontend: nosuch.v0");
  CHECK(refused([](auto& r) { r.frontend = "nosuch.v0"; }) == "cannot solve with both Definition and Frontend specified");
  CHECK(f.ops.executed == 0);
}

TEST_CASE("buildx's default provenance request is silent, others are told once") {
  EngineFixture f;
  auto request = f.Request(f.Tree("tree://a"));
  request.frontend_attrs["attest:provenance"] = "mode=min,inline-only=true";
  REQUIRE(f.engine->Solve(CancelToken(), request).ok());
  CHECK(f.Watched().warnings.empty());
  request.frontend_attrs["attest:provenance"] = "mode=max";
  request.frontend_attrs["attest:sbom"] = "";
  request.cache_imports = {{"registry", {{"ref", "a"}}}, {"registry", {{"ref", "b"}}}};
  REQUIRE(f.engine->Solve(CancelToken(), request).ok());
  CHECK(f.Watched().warnings.size() == 3);
}

TEST_CASE("a result for other platforms than those asked for is warned of, once") {
  EngineFixture f;
  f.ops.trees["tree://a"] = std::make_shared<DirRef>("A");
  auto request = f.Request(f.Tree("tree://a"));
  request.frontend_attrs["platform"] = "linux/amd64,linux/arm64";
  for (bool exported : {false, true}) {
    if (exported) request.exporters = {{"test", {{"name", "one"}}}, {"test", {{"name", "two"}}}};
    REQUIRE(f.engine->Solve(CancelToken(), request).ok());
    RecordingSink said = f.Watched();
    REQUIRE(said.warnings.size() == 1);
    CHECK(said.warnings[0].short_text == "Multiple platforms requested but result is not multi-platform");
    CHECK(said.Last(exported ? "exporting to one" : "Verifying build result") != nullptr);
  }
}

TEST_CASE("a failed vertex is named, with its place in the source") {
  EngineFixture f;
  DefinitionWriter writer;
  std::string raw = writer.Source("fail://broken");
  auto* source = writer.definition().mutable_source();
  source->add_infos()->set_filename("Dockerfile");
  pb::Location* location = (*source->mutable_locations())[raw].add_locations();
  location->add_ranges()->mutable_start()->set_line(3);
  (*source->mutable_locations())[raw].add_locations()->set_sourceindex(9);  // none such
  absl::Status status = f.engine->Solve(CancelToken(), f.Request(writer.Share(raw))).status();
  CHECK(status.code() == absl::StatusCode::kUnknown);
  CHECK(Message(status) == "broken");
  CHECK(llb::FailedVertex(status) == raw);
  auto details = Details(status);
  REQUIRE(details.size() == 2);  // innermost first
  CHECK(details[0].type == "errdefs.Vertex");
  CHECK(details[1].json == R"({"info":{"filename":"Dockerfile"},"ranges":[{"start":{"line":3}}]})");
}

TEST_CASE("a definition that does not load fails the build with its reason") {
  EngineFixture f;
  DefinitionWriter writer;
  writer.Source("tree://a");
  auto definition = std::make_shared<const pb::Definition>(writer.definition());
  CHECK(Message(f.engine->Solve(CancelToken(), f.Request(definition)).status()) == "failed to load LLB: invalid LLB with 1 vertexes");
}

TEST_CASE("cancelling the call cancels what it runs") {
  EngineFixture f;
  CancelSource cancel;
  std::thread client([&] {
    f.ops.blocked.Wait([](bool b) { return b; });
    cancel.Cancel();
  });
  absl::Status status = f.engine->Solve(cancel.token(), f.Request(f.Tree("block://"))).status();
  client.join();
  CHECK(status.code() == absl::StatusCode::kCancelled);
  CHECK(f.ops.AwaitCancelled());
}

TEST_CASE("an exporter's error fails the build and its vertex") {
  EngineFixture f;
  f.exporter.outcome = AlreadyExists("declined");
  auto request = f.Request(f.Tree("tree://a"));
  request.exporters = {{"test", {}}};
  CHECK(f.engine->Solve(CancelToken(), request).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(f.Watched().Last("exporting to test")->error == "declined");
}

TEST_CASE("the status of a build that never comes is NotFound") {
  EngineFixture f;
  RecordingSink sink;
  CancelSource cancel;
  cancel.Cancel();  // does not wait for the six seconds
  CHECK_FALSE(f.engine->Status(cancel.token(), "nosuch", sink).ok());
}

TEST_CASE("several refs need a table of platforms") {
  ScriptedFrontend frontend([](const CancelToken& cancel, frontend::Bridge& bridge) -> absl::StatusOr<frontend::Result> {
    DefinitionWriter writer;
    frontend::SolveRequest request;
    request.definition = writer.Share(writer.Source("tree://a"));
    BK_TRY(frontend::Result one, bridge.Solve(cancel, request));
    frontend::Result out;
    out.is_map = true;
    out.refs["linux/amd64"] = one.ref;
    return out;
  });
  EngineFixture f({{"scripted", &frontend}});
  auto request = f.Request(nullptr);
  request.frontend = "scripted";
  CHECK(Message(f.engine->Solve(CancelToken(), request).status()) == "build result contains multiple refs without platforms mapping");
}

TEST_CASE("a client's frontend calls the bridge until it returns a result") {
  EngineFixture f;
  auto tree = std::make_shared<DirRef>("A");
  REQUIRE(os::WriteFile(tree->path() + "/hello", "world", 0644).ok());
  f.ops.trees["tree://a"] = tree;
  namespace gw = moby::buildkit::v1::frontend;
  std::thread client([&] {
    auto call = f.engine->forwarders().Begin(CancelToken(), "build");
    REQUIRE(call.ok());
    auto& forwarder = (*call)->forwarder();
    gw::SolveRequest solve;
    *solve.mutable_definition() = *f.Tree("tree://a");
    solve.set_allowresultreturn(true);
    solve.set_allowresultarrayref(true);
    auto solved = forwarder.Solve((*call)->cancel(), solve);
    REQUIRE(solved.ok());
    gw::ReadFileRequest read;
    read.set_ref(solved->result().ref().id());
    read.set_filepath("/hello");
    auto data = forwarder.ReadFile((*call)->cancel(), read);
    REQUIRE(data.ok());
    CHECK(data->data() == "world");
    gw::ReturnRequest back;
    back.mutable_result()->mutable_ref()->set_id(solved->result().ref().id());
    (*back.mutable_result()->mutable_metadata())["frontend.note"] = "kept";
    CHECK(forwarder.Return(back).ok());
  });
  auto request = f.Request(nullptr);
  request.exporters = {{"test", {}}};
  auto response = f.engine->Solve(CancelToken(), request);
  client.join();
  REQUIRE(response.ok());
  CHECK(response->exporter_response == std::map<std::string, std::string>{{"test", "0 A"}, {"frontend.note", "kept"}});
  CancelSource gone;
  gone.Cancel();
  CHECK_FALSE(f.engine->forwarders().Begin(gone.token(), "build").ok());
}

TEST_CASE("the end of a build ends the calls of its client") {
  EngineFixture f;
  CancelSource cancel;
  std::thread client([&] {
    auto call = f.engine->forwarders().Begin(CancelToken(), "build");
    REQUIRE(call.ok());
    moby::buildkit::v1::frontend::SolveRequest solve;
    *solve.mutable_definition() = *f.Tree("block://");
    solve.set_allowresultreturn(true);
    solve.set_evaluate(true);
    CHECK_FALSE((*call)->forwarder().Solve((*call)->cancel(), solve).ok());
  });
  std::thread interrupt([&] {
    f.ops.blocked.Wait([](bool b) { return b; });
    cancel.Cancel();
  });
  CHECK(f.engine->Solve(cancel.token(), f.Request(nullptr)).status().code() == absl::StatusCode::kCancelled);
  client.join();
  interrupt.join();
  CHECK(f.ops.AwaitCancelled());
}
