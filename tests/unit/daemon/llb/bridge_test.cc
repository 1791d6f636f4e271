#include "daemon/llb/bridge.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/unit/daemon/llb/engine_fakes.h"

using namespace bk;
using namespace bk::fakes;

namespace {

// A bridge over a job of its own, and a ref of one tree.
struct BridgeFixture : EngineFixture {
  std::shared_ptr<DirRef> tree = std::make_shared<DirRef>("A");
  std::unique_ptr<solver::Job> job = *solver.NewJob("build");
  llb::Build build;
  llb::BuildBridge bridge{build};
  CancelToken cancel;

  explicit BridgeFixture(std::map<std::string, frontend::Frontend*> frontends = {}, llb::SourceRules rules = {}) : EngineFixture(std::move(frontends)), build{engine->parts(), *job, "session", {}, {}, std::move(rules)} {
    ops.trees["tree://a"] = tree;
    job->SetSession("session");
  }
  frontend::RefPtr Ref(const std::string& identifier = "tree://a") {
    frontend::SolveRequest request;
    request.definition = Tree(identifier);
    return bridge.Solve(cancel, request)->ref;
  }
};

std::vector<std::string> Types(const absl::Status& status) {
  std::vector<std::string> out;
  for (const auto& detail : Details(status)) out.push_back(detail.type);
  return out;
}

}  // namespace

TEST_CASE("a ref is computed when it is needed, and once") {  // RPC-024
  BridgeFixture f;
  frontend::RefPtr ref = f.Ref();
  CHECK(f.ops.executed == 0);
  CHECK(ref->Evaluate(f.cancel).ok());
  CHECK(ref->Evaluate(f.cancel).ok());
  CHECK(f.ops.executed == 1);
}

TEST_CASE("files of a ref: whole, in part, and only regular ones") {  // RPC-027, CAC-045
  BridgeFixture f;
  REQUIRE(os::WriteFile(f.tree->path() + "/hello", "0123456789", 0644).ok());
  REQUIRE(symlink("/hello", (f.tree->path() + "/link").c_str()) == 0);
  REQUIRE(symlink("../../../../etc/hostname", (f.tree->path() + "/escape").c_str()) == 0);
  REQUIRE(mkfifo((f.tree->path() + "/pipe").c_str(), 0600) == 0);
  auto ref = f.Ref();
  auto read = [&](const std::string& path, int64_t offset = 0, int64_t length = -1) { return f.bridge.ReadFile(f.cancel, *ref, path, offset, length); };
  CHECK(*read("hello") == "0123456789");
  CHECK(*read("/link", 3, 4) == "3456");
  CHECK(*read("hello", 8, 100) == "89");
  CHECK(*read("hello", 100, 1) == "");
  CHECK(Message(read("/none").status()) == "open /none: no such file or directory");
  CHECK(Message(read("/pipe").status()) == "/pipe is not a regular file");
  CHECK(Message(read("/").status()) == "/ is not a regular file");
  CHECK_FALSE(read("escape").ok());
  CHECK(Types(read("/none").status()) == std::vector<std::string>{"errdefs.Solve"});
}

TEST_CASE("a file that no message can carry is refused, its parts are not") {
  BridgeFixture f;
  std::string big = f.tree->path() + "/big";
  REQUIRE(os::WriteFile(big, "x", 0644).ok());
  REQUIRE(truncate(big.c_str(), int64_t{1} << 40) == 0);
  auto ref = f.Ref();
  CHECK(f.bridge.ReadFile(f.cancel, *ref, "big", 0, -1).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(f.bridge.ReadFile(f.cancel, *ref, "big", 0, 1)->size() == 1);
}

TEST_CASE("directories and single entries of a ref") {
  BridgeFixture f;
  REQUIRE(os::WriteFile(f.tree->path() + "/b.txt", "bb", 0640).ok());
  REQUIRE(os::WriteFile(f.tree->path() + "/a.md", "", 0644).ok());
  REQUIRE(os::MakeDirs(f.tree->path() + "/dir/below", 0755).ok());
  auto ref = f.Ref();
  auto all = f.bridge.ReadDir(f.cancel, *ref, "/", "");
  REQUIRE(all.ok());
  REQUIRE(all->size() == 3);
  CHECK((*all)[0].path == "a.md");
  CHECK((*all)[1].mode == 0640);
  CHECK((*all)[2].mode == (1u << 31 | 0755));
  CHECK(f.bridge.ReadDir(f.cancel, *ref, "/", "*.txt")->size() == 1);
  CHECK_FALSE(f.bridge.ReadDir(f.cancel, *ref, "/none", "").ok());
  auto stat = f.bridge.StatFile(f.cancel, *ref, "dir/../b.txt");
  REQUIRE(stat.ok());
  CHECK(stat->path == "b.txt");
  CHECK(stat->size_bytes == 2);
  CHECK((f.bridge.StatFile(f.cancel, *ref, "/")->mode & 1u << 31) != 0);
  CHECK(f.bridge.StatFile(f.cancel, *ref, "/none").status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("the empty tree has no files") {
  BridgeFixture f;
  f.ops.trees["tree://a"] = nullptr;
  auto ref = f.Ref();
  CHECK(f.bridge.ReadDir(f.cancel, *ref, "/", "")->empty());
  CHECK_FALSE(f.bridge.ReadFile(f.cancel, *ref, "x", 0, -1).ok());
}

TEST_CASE("errors name the failed op to frontends, and the frontend to clients") {
  ScriptedFrontend reading([](const CancelToken& cancel, frontend::Bridge& bridge) -> absl::StatusOr<frontend::Result> {
    DefinitionWriter writer;
    frontend::SolveRequest request;
    request.definition = writer.Share(writer.Source("fail://broken"));
    BK_TRY(frontend::Result result, bridge.Solve(cancel, request));
    BK_RETURN_IF_ERROR(bridge.ReadFile(cancel, *result.ref, "Dockerfile", 0, -1));
    return result;
  });
  BridgeFixture f({{"reading", &reading}});
  frontend::SolveRequest request;
  request.frontend = "reading";
  absl::Status status = f.bridge.Solve(f.cancel, request).status();
  CHECK(Types(status) == std::vector<std::string>{"errdefs.Vertex", "errdefs.Solve", "errdefs.Frontend", "errdefs.Solve"});
  auto details = Details(status);
  CHECK(details[1].json.find("fail://broken") != std::string::npos);
  CHECK(details[3].json == details[1].json);
  CHECK(details[2].json == R"({"name":"reading"})");
  CHECK(Types(f.bridge.SolveRoot(f.cancel, request).status()).size() == 3);
}

TEST_CASE("gateway.v0 with the name of the frontend that is built in is that one") {  // DFE-112
  ScriptedFrontend dockerfile([](const CancelToken&, frontend::Bridge&) { return frontend::Result(); });
  ScriptedFrontend images([](const CancelToken&, frontend::Bridge&) { return absl::StatusOr<frontend::Result>(absl::UnknownError("an image")); });
  BridgeFixture f({{"dockerfile.v0", &dockerfile}, {"gateway.v0", &images}});
  frontend::SolveRequest request;
  request.frontend = "gateway.v0";
  request.frontend_opts["source"] = "other/frontend:1";
  absl::Status status = f.bridge.Solve(f.cancel, request).status();
  CHECK(Message(status) == "an image");
  CHECK(Details(status)[0].json == R"({"name":"gateway.v0","source":"other/frontend:1"})");
  request.frontend_opts["source"] = "dockerfile.v0";
  CHECK(f.bridge.Solve(f.cancel, request).ok());
  request.frontend_opts["context:dockerfile.v0"] = "docker-image://mine";
  CHECK_FALSE(f.bridge.Solve(f.cancel, request).ok());
  request.frontend = "nothing.v0";
  CHECK(Message(f.bridge.Solve(f.cancel, request).status()) == "invalid frontend: nothing.v0");
}

TEST_CASE("images are resolved in a vertex of their own") {  // RPC-025
  BridgeFixture f;
  frontend::Bridge::ResolveOptions options;
  options.log_name = "[internal] load metadata for docker.io/library/alpine:latest";
  options.resolve_mode = "local";
  auto image = f.bridge.ResolveImageConfig(f.cancel, "docker.io/library/alpine:latest", options);
  REQUIRE(image.ok());
  CHECK(image->ref == "docker.io/library/alpine:latest");
  CHECK(image->config == "{}");
  CHECK(f.sources.asked == "docker-image://docker.io/library/alpine:latest");
  CHECK(f.sources.sessions == std::vector<std::string>{"session"});
  CHECK(f.sources.mode == source::ImageResolveOptions::Mode::kPreferLocal);
  CHECK(Message(f.bridge.ResolveImageConfig(f.cancel, "missing:1", options).status()) ==
        "failed to resolve source metadata for docker.io/library/missing:1: docker.io/library/missing:1: not found");
  CHECK(Message(f.bridge.ResolveImageConfig(f.cancel, "UPPER", options).status()).starts_with("could not parse reference \"UPPER\": "));
  options.resolve_mode = "sometimes";
  CHECK_FALSE(f.bridge.ResolveImageConfig(f.cancel, "alpine", options).ok());
  f.job.reset();
  RecordingSink said = f.Watched();
  REQUIRE(said.Last("[internal] load metadata for docker.io/library/alpine:latest") != nullptr);
  CHECK(said.vertices[0].digest == DigestOf("docker-image://docker.io/library/alpine:latestlinux/amd64"));
}

TEST_CASE("metadata of sources: images have a digest, directories nothing, others what their source says") {
  BridgeFixture f;
  pb::SourceOp op;
  op.set_identifier("docker-image://docker.io/library/alpine:latest");
  frontend::Bridge::ResolveOptions options;
  options.no_config = true;
  auto meta = f.bridge.ResolveSourceMeta(f.cancel, op, options);
  REQUIRE(meta.ok());
  CHECK(meta->image_digest == DigestOf("image").str());
  CHECK(meta->image_config.empty());
  op.set_identifier("local://context");
  CHECK(f.bridge.ResolveSourceMeta(f.cancel, op, options)->identifier == "local://context");
  op.set_identifier("https://example.com/a.tar");  // a source of this test knows none
  CHECK(f.bridge.ResolveSourceMeta(f.cancel, op, options).status().code() == absl::StatusCode::kUnimplemented);
}

TEST_CASE("warnings reach the client with their vertex") {
  BridgeFixture f;
  solver::WarningEvent warning;
  warning.short_text = "look";
  CHECK(f.bridge.Warn(DigestOf("v"), warning).ok());
  f.job.reset();
  REQUIRE(f.Watched().warnings.size() == 1);
  CHECK(f.Watched().warnings[0].vertex == DigestOf("v"));
}

namespace {
llb::PolicyProto Convert(const std::string& from, const std::string& to) {
  llb::PolicyProto policy;
  auto* rule = policy.add_rules();
  rule->set_action(moby::buildkit::v1::sourcepolicy::CONVERT);
  rule->mutable_selector()->set_identifier(from);
  rule->mutable_updates()->set_identifier(to);
  return policy;
}
}  // namespace

TEST_CASE("policies of the build and of a question put another image in the place of the one asked for") {
  BridgeFixture f;
  llb::Build build(f.engine->parts(), *f.job, "session", {}, {Convert("docker-image://docker.io/*", "docker-image://mirror.test/$1")});
  llb::BuildBridge bridge(build);
  auto image = bridge.ResolveImageConfig(f.cancel, "alpine:3", {});
  REQUIRE(image.ok());
  CHECK(image->ref == "mirror.test/library/alpine:3");
  frontend::Bridge::ResolveOptions options;
  options.source_policies = {Convert("docker-image://mirror.test/*", "local://x")};
  CHECK(Message(bridge.ResolveImageConfig(f.cancel, "alpine:3", options).status()).find("ref mutated by policy to non-image: docker-image://docker.io/library/alpine:3 -> local://x") != std::string::npos);
  options.any_source = true;
  CHECK(bridge.ResolveImageConfig(f.cancel, "alpine:3", options)->ref == "local://x");
}

TEST_CASE("policies apply to what a definition is made of, those of a request beside the build's") {
  BridgeFixture f;
  llb::PolicyProto deny;
  deny.add_rules()->set_action(moby::buildkit::v1::sourcepolicy::DENY);
  deny.mutable_rules(0)->mutable_selector()->set_identifier("tree://b");
  llb::Build build(f.engine->parts(), *f.job, "session", {}, {Convert("tree://x", "tree://a")});
  llb::BuildBridge bridge(build);
  frontend::SolveRequest request;
  request.definition = f.Tree("tree://x");
  CHECK(bridge.Solve(f.cancel, request)->ref->Evaluate(f.cancel).ok());
  request.source_policies = {Convert("tree://a", "tree://b"), deny};
  CHECK(Message(bridge.Solve(f.cancel, request)->ref->Evaluate(f.cancel)) ==
        "failed to load LLB: error evaluating the source policy: source \"tree://b\" denied by policy: source denied by policy");
  request.source_policies = {llb::PolicyProto()};
  request.source_policies[0].add_rules();
  CHECK(Message(bridge.Solve(f.cancel, request)->ref->Evaluate(f.cancel)) == "invalid nil selector in policy");
}

TEST_CASE("a build waits for its turn before the first thing that it solves, and for no other") {
  BridgeFixture f;
  llb::Admission admission(1, std::chrono::hours(1));
  std::optional<llb::Admission::Place> other(admission.Enter(f.cancel));
  llb::Build build(f.engine->parts(), *f.job, "session", {}, {}, {}, &admission);
  llb::BuildBridge bridge(build);
  frontend::SolveRequest request;
  request.definition = f.Tree("tree://a");
  std::atomic<bool> solved = false;
  std::thread first([&] { solved = bridge.Solve(f.cancel, request).ok(); });
  while (admission.waiting() == 0 && !solved) std::this_thread::yield();
  CHECK_FALSE(solved);
  other.reset();
  first.join();
  CHECK(solved);
  CHECK(bridge.Solve(f.cancel, request).ok());  // its place is taken, by itself
}

TEST_CASE("what frontends ask of git is held to the lock file, and to offline builds") {
  pb::SourceOp op;
  op.set_identifier("git://host/r#main");
  auto rules = [](const char* value) {
    llb::SourceRules rules;
    rules.lock.emplace();
    CHECK(rules.lock->Add("git://host/r#main", value, "").ok());
    return rules;
  };
  {
    BridgeFixture f;
    CHECK(f.bridge.ResolveSourceMeta(f.cancel, op, {})->git->checksum == "c0ffee");
    REQUIRE(f.build.gate().All().size() == 1);
    CHECK(f.build.gate().All()[0].value == "c0ffee");
  }
  BridgeFixture same({}, rules("c0ffee")), other({}, rules("badcafe"));
  CHECK(same.bridge.ResolveSourceMeta(same.cancel, op, {}).ok());
  CHECK(same.build.gate().Verdict().ok());
  other.bridge.ResolveSourceMeta(other.cancel, op, {}).IgnoreError();
  CHECK(Message(other.build.gate().Verdict()).find("resolved to c0ffee, the lock file says badcafe") != std::string::npos);
  op.set_identifier("git://host/unnamed#main");
  CHECK(Message(same.bridge.ResolveSourceMeta(same.cancel, op, {}).status()).find("is not in the lock file") != std::string::npos);
  CHECK(same.sources.asked == "git://host/r#main");  // it was not asked
  llb::SourceRules offline;
  offline.offline = true;
  BridgeFixture alone({}, offline);
  alone.job->SetOffline(true);
  CHECK_FALSE(alone.bridge.ResolveSourceMeta(alone.cancel, op, {}).ok());
  CHECK(alone.sources.offline);
  CHECK(Message(alone.build.gate().Verdict()).find("is not on this machine") != std::string::npos);
}
