#include "daemon/ops/ops.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "daemon/ops/failed_steps.h"
#include "daemon/ops/result.h"
#include "tests/unit/daemon/ops/fake_cache.h"

namespace bk::ops {
namespace {

using test::FakeCache;
using test::FakeContext;
using test::FakeImmutable;

struct FakeSession : session::Session {
  std::map<std::string, std::string> secrets;
  std::string id_ = "s", none_;
  const std::string& id() const override { return id_; }
  const std::string& name() const override { return none_; }
  const std::string& shared_key() const override { return none_; }
  CancelToken gone() const override { return CancelToken::Never(); }
  bool Supports(std::string_view) const override { return true; }
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSync(const CancelToken&, const session::FileSyncRequest&) override { return Unimplemented(""); }
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSendPackets(const CancelToken&, const std::map<std::string, std::string>&) override { return Unimplemented(""); }
  absl::StatusOr<std::unique_ptr<session::ByteSink>> OpenFileSendBytes(const CancelToken&, const std::map<std::string, std::string>&) override { return Unimplemented(""); }
  absl::Status PullUpload(const CancelToken&, const std::string&, const std::string&, const std::function<absl::Status(std::string_view)>&) override { return Unimplemented(""); }
  absl::StatusOr<std::string> GetSecret(const CancelToken&, const std::string& id) override {
    return secrets.contains(id) ? absl::StatusOr<std::string>(secrets[id]) : NotFound("secret ", id, ": not found");
  }
  absl::StatusOr<session::Credentials> GetCredentials(const CancelToken&, const std::string&) override { return Unimplemented(""); }
  absl::StatusOr<session::Token> FetchToken(const CancelToken&, const session::TokenRequest&) override { return Unimplemented(""); }
  absl::StatusOr<std::string> GetTokenAuthority(const CancelToken&, const std::string&, const std::string&) override { return Unimplemented(""); }
  absl::StatusOr<std::string> VerifyTokenAuthority(const CancelToken&, const std::string&, const std::string&, const std::string&) override { return Unimplemented(""); }
  std::unique_ptr<session::RemoteStore> Store(const std::string&) override { return nullptr; }
};

struct FakeSessions : session::Manager {
  std::shared_ptr<FakeSession> session = std::make_shared<FakeSession>();
  absl::StatusOr<std::shared_ptr<session::Session>> Get(const CancelToken&, const std::string&, bool) override { return std::shared_ptr<session::Session>(session); }
};

// Runs a function in place of a process, on the directories of the mounts.
struct FakeExecutor : exec::Executor {
  std::function<absl::StatusOr<exec::StepExit>(const std::string& root, const std::vector<exec::StepMount>&, const exec::ProcessSpec&, const exec::Stdio&)> body;
  int runs = 0;
  absl::StatusOr<exec::StepExit> Run(const CancelToken&, const std::string&, const std::vector<os::Mount>& root, const std::vector<exec::StepMount>& mounts, const exec::ProcessSpec& process, const exec::Stdio& stdio) override {
    runs++;
    return body ? body(root[0].source, mounts, process, stdio) : exec::StepExit{};
  }
};

struct Fixture {
  FakeCache cache;
  FakeSessions sessions;
  FakeExecutor executor;
  FakeContext context;
  std::unique_ptr<OpFactory> factory;
  Platform platform = HostPlatform();
  Fixture() {
    context.sessions = {"s"};
    OpParts parts;
    parts.cache = &cache;
    parts.sessions = &sessions;
    parts.executor = &executor;
    factory = MakeOpFactory(parts);
  }
  absl::StatusOr<std::unique_ptr<solver::Op>> Make(pb::Op op, size_t inputs) {
    for (size_t i = 0; i < inputs; i++) op.add_inputs();
    OpRequest request{std::make_shared<pb::Op>(std::move(op)), platform, "name", {}};
    return factory->Make(request);
  }
  absl::StatusOr<std::vector<solver::ResultPtr>> Run(const pb::Op& op, const std::vector<cache::ImmutablePtr>& inputs) {
    auto made = Make(op, inputs.size());
    if (!made.ok()) return made.status();
    std::vector<solver::ResultPtr> results;
    for (const auto& input : inputs) results.push_back(std::make_shared<RefResult>(input));
    return (*made)->Exec(CancelToken::Never(), context, results);
  }
  int Events(const std::string& begin) const {
    return static_cast<int>(std::count_if(cache.state.events.begin(), cache.state.events.end(), [&](const std::string& e) { return e.starts_with(begin); }));
  }
};

pb::Op Exec() {
  pb::Op op;
  op.mutable_exec()->mutable_meta()->add_args("make");
  op.mutable_exec()->mutable_meta()->add_args("all");
  op.mutable_exec()->mutable_meta()->set_cwd("/src");
  op.mutable_exec()->add_mounts()->set_dest("/");
  return op;
}

pb::Mount& AddMount(pb::Op& op, const std::string& dest, pb::MountType type, int64_t input, int64_t output) {
  pb::Mount& mount = *op.mutable_exec()->add_mounts();
  mount.set_dest(dest);
  mount.set_mounttype(type);
  mount.set_input(input);
  mount.set_output(output);
  return mount;
}

TEST_CASE("exec: what the step writes becomes the output, the input stays") {
  Fixture f;
  f.executor.body = [](const std::string& root, const auto&, const exec::ProcessSpec& process, const auto&) -> absl::StatusOr<exec::StepExit> {
    CHECK(process.args == std::vector<std::string>{"make", "all"});
    CHECK(process.cwd == "/src");
    (void)os::WriteFile(root + "/made", "x", 0644);
    return exec::StepExit{};
  };
  auto base = f.cache.Tree({{"f", "base"}});
  auto results = f.Run(Exec(), {base});
  REQUIRE(results.ok());
  REQUIRE(results->size() == 1);
  auto ref = RefOf((*results)[0]);
  CHECK(f.cache.Text(ref, "made") == "x");
  CHECK(f.cache.Text(ref, "f") == "base");
  CHECK(f.cache.Text(base, "made") == "<none>");
  CHECK(f.cache.state.descriptions[ref->Id()] == "mount / from exec make all");
  CHECK(f.cache.state.events.back() == StrCat("commit ", ref->Id(), " with 0 mounts"));
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("exec: a failing step gives the exit code and leaves nothing") {
  Fixture f;
  f.executor.body = [](const auto&, const auto&, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> { return exec::StepExit{3, false}; };
  auto results = f.Run(Exec(), {f.cache.Tree({})});
  CHECK(Message(results.status()) == "process \"make all\" did not complete successfully: exit code: 3");
  CHECK(HasDetail(results.status(), "gatewayapi.ExitMessage"));
  CHECK(f.cache.state.mounts == 0);
  f.factory.reset();  // by then what failed steps left is dropped
  CHECK(f.Events("drop") == 1);
  CHECK(f.Events("commit") == 0);
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("exec: what a failed step worked on can be looked into as long as its op lives") {  // DFE-120
  Fixture f;
  f.executor.body = [](const std::string& root, const auto&, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> {
    (void)os::WriteFile(root + "/left", "x", 0644);
    return exec::StepExit{3, false};
  };
  auto base = f.cache.Tree({});
  auto op = f.Make(Exec(), 1);
  REQUIRE(op.ok());
  CHECK_FALSE((*op)->Exec(CancelToken::Never(), f.context, {std::make_shared<RefResult>(base)}).ok());
  auto step = f.factory->FailedStepOf(f.context.Progress().vertex());
  REQUIRE(step != nullptr);
  CHECK(step->inputs()[0]->Id() == base->Id());
  CHECK(step->MountIds()[0] != base->Id());
  CHECK(f.Events("commit") == 0);
  for (int i = 0; i < 2; i++) {
    auto tree = step->Mount(CancelToken::Never(), 0);
    REQUIRE(tree.ok());
    CHECK(f.cache.Text(*tree, "left") == "x");
  }
  CHECK(f.Events("commit") == 1);
  op->reset();
  CHECK(f.factory->FailedStepOf(f.context.Progress().vertex()) == nullptr);
}

TEST_CASE("file: the action that failed is named, and what the ones before it made can be looked into") {  // DFE-120
  Fixture f;
  pb::Op op;
  for (const char* path : {"/made", "/no/such/dir"}) {
    pb::FileAction& action = *op.mutable_file()->add_actions();
    bool first = op.file().actions_size() == 1;
    action.set_input(first ? -1 : 0);
    action.set_secondaryinput(-1);
    action.set_output(first ? -1 : 0);
    action.mutable_mkfile()->set_path(path);
    action.mutable_mkfile()->set_data("x");
    action.mutable_mkfile()->set_mode(0644);
  }
  auto made = f.Make(op, 0);
  REQUIRE(made.ok());
  CHECK_FALSE((*made)->Exec(CancelToken::Never(), f.context, {}).ok());
  auto step = f.factory->FailedStepOf(f.context.Progress().vertex());
  REQUIRE(step != nullptr);
  CHECK(step->subject().kind == FailedSubject::Kind::kFileAction);
  CHECK(step->subject().index == 1);
  CHECK(step->inputs().empty());
  REQUIRE(step->MountIds().size() == 2);
  CHECK(step->MountIds()[0] == "");
  auto tree = step->Mount(CancelToken::Never(), 1);
  REQUIRE(tree.ok());
  CHECK(f.cache.Text(*tree, "made") == "x");
}

TEST_CASE("exec: a listed exit code is success") {
  Fixture f;
  f.executor.body = [](const auto&, const auto&, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> { return exec::StepExit{3, false}; };
  pb::Op op = Exec();
  op.mutable_exec()->mutable_meta()->add_validexitcodes(3);
  CHECK(f.Run(op, {f.cache.Tree({})}).ok());
}

TEST_CASE("exec: on a foreign platform only programs for this machine run, and the words name the platform") {
  Fixture f;
  f.platform.architecture = "mips64";
  pb::Op op = Exec();
  op.mutable_exec()->mutable_meta()->set_args(0, "/bin/make");
  auto base = f.cache.Tree({{"bin/make", "no program"}});
  CHECK(Message(f.Run(op, {base}).status()).starts_with("no support for running processes with linux/mips64 platform"));
  CHECK(f.executor.runs == 0);
  CHECK(f.cache.state.writable == 0);
  CHECK(f.cache.state.mounts == 0);
  std::string make = f.cache.state.root + "/" + base->Id() + "/bin/make";
  std::filesystem::copy_file("/proc/self/exe", make, std::filesystem::copy_options::overwrite_existing);
  CHECK(f.Run(op, {base}).ok());
  CHECK(f.executor.runs == 1);
}

TEST_CASE("exec: mounts in order of their targets, outputs in order of the mounts") {
  Fixture f;
  pb::Op op = Exec();
  AddMount(op, "/z/below", pb::BIND, 1, -1).set_readonly(true);
  AddMount(op, "/z", pb::BIND, 1, 1).set_readonly(true);
  AddMount(op, "rel", pb::BIND, -1, 2);
  auto& tmpfs = AddMount(op, "/tmp", pb::TMPFS, -1, -1);
  tmpfs.mutable_tmpfsopt()->set_size(4096);
  auto data = f.cache.Tree({{"f", "data"}});
  f.executor.body = [&](const auto&, const std::vector<exec::StepMount>& mounts, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> {
    REQUIRE(mounts.size() == 4);
    CHECK(mounts[0].dest == "/src/rel");
    CHECK(mounts[1].dest == "/tmp");
    CHECK(mounts[1].mounts[0] == os::Mount{"tmpfs", "tmpfs", {"nosuid", "size=4096"}});
    CHECK(mounts[2].dest == "/z");
    CHECK(mounts[2].readonly);
    CHECK(mounts[3].dest == "/z/below");
    (void)os::WriteFile(mounts[0].mounts[0].source + "/out", "y", 0644);
    return exec::StepExit{};
  };
  auto results = f.Run(op, {f.cache.Tree({}), data});
  REQUIRE(results.ok());
  REQUIRE(results->size() == 3);
  CHECK((*results)[1]->Id() == data->Id());
  CHECK(f.cache.Text(RefOf((*results)[2]), "out") == "y");
}

TEST_CASE("exec: a cache mount keeps what steps write, also of a failed step") {
  Fixture f;
  std::vector<std::unique_ptr<solver::Op>> kept;
  pb::Op op = Exec();
  AddMount(op, "/cache", pb::CACHE, -1, -1).mutable_cacheopt()->set_id("go");
  AddMount(op, "/again", pb::CACHE, -1, -1).mutable_cacheopt()->set_id("go");
  op.mutable_exec()->mutable_mounts(1)->mutable_cacheopt()->set_sharing(pb::LOCKED);
  op.mutable_exec()->mutable_mounts(2)->mutable_cacheopt()->set_sharing(pb::LOCKED);
  f.executor.body = [&](const auto&, const std::vector<exec::StepMount>& mounts, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> {
    CHECK(mounts[0].mounts == mounts[1].mounts);
    std::string file = mounts[0].mounts[0].source + "/count";
    (void)os::WriteFile(file, os::ReadFile(file).value_or("") + "+", 0644);
    return exec::StepExit{1, false};
  };
  auto base = f.cache.Tree({});
  for (int run = 0; run < 2; run++) {
    auto made = f.Make(op, 1);
    REQUIRE(made.ok());
    CHECK_FALSE((*made)->Exec(CancelToken::Never(), f.context, {std::make_shared<RefResult>(base)}).ok());
    kept.push_back(*std::move(made));
  }
  CHECK(f.cache.state.writable == 2);  // of the failed steps, not of the cache mounts
  kept.clear();
  f.factory.reset();
  CHECK(f.cache.state.writable == 0);
  auto ids = f.cache.FindMutable("cache-dir:go");
  REQUIRE(ids.size() == 1);
  CHECK(os::ReadFile(f.cache.state.root + "/" + ids[0] + "/count").value_or("") == "++");
  CHECK(f.cache.state.descriptions[ids[0]] == "cached mount /cache from exec make all with id \"go\"");
}

TEST_CASE("exec: secrets in the environment; missing ones fail unless optional") {
  Fixture f;
  f.sessions.session->secrets["token"] = "hunter2";
  pb::Op op = Exec();
  auto* secret = op.mutable_exec()->add_secretenv();
  secret->set_id("token");
  secret->set_name("T");
  f.executor.body = [](const auto&, const auto&, const exec::ProcessSpec& process, const auto&) -> absl::StatusOr<exec::StepExit> {
    CHECK(process.env.back().starts_with("T="));
    return exec::StepExit{process.env.back() == "T=hunter2" ? 0 : 9, false};
  };
  auto base = f.cache.Tree({});
  CHECK(f.Run(op, {base}).ok());
  secret->set_id("nosuch");
  auto missing = f.Run(op, {base}).status();
  CHECK(Message(missing) == "secret nosuch: not found");
  CHECK(missing.code() == absl::StatusCode::kUnknown);
  secret->set_optional(true);
  CHECK(Message(f.Run(op, {base}).status()).ends_with("exit code: 9"));
  secret->set_id("");
  CHECK(Message(f.Run(op, {base}).status()) == "secret ID missing for \"T\" environment variable");
}

TEST_CASE("exec: a secret is a file of its owner and mode on a mount of its own, gone afterwards") {
  Fixture f;
  f.sessions.session->secrets["s1"] = "top\nsecret";
  pb::Op op = Exec();
  auto* options = AddMount(op, "/run/secrets/s1", pb::SECRET, -1, -1).mutable_secretopt();
  options->set_id("s1");
  options->set_uid(5);
  options->set_gid(6);
  options->set_mode(0440);
  std::string file;
  f.executor.body = [&](const auto&, const std::vector<exec::StepMount>& mounts, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> {
    REQUIRE(mounts.size() == 1);
    file = mounts[0].mounts[0].source;
    CHECK(mounts[0].mounts[0].options == std::vector<std::string>{"ro", "rbind", "nodev", "nosuid", "noexec"});
    CHECK(os::ReadFile(file).value_or("") == "top\nsecret");
    struct stat st;
    REQUIRE(stat(file.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0440);
    CHECK(st.st_uid == 5);
    return exec::StepExit{};
  };
  CHECK(f.Run(op, {f.cache.Tree({})}).ok());
  CHECK_FALSE(os::Exists(os::DirName(file)));
  options->set_id("nosuch");
  options->set_optional(true);
  f.executor.body = [](const auto&, const std::vector<exec::StepMount>& mounts, const auto&, const auto&) -> absl::StatusOr<exec::StepExit> {
    CHECK(mounts.empty());
    return exec::StepExit{};
  };
  CHECK(f.Run(op, {f.cache.Tree({})}).ok());
}

TEST_CASE("exec: mounts that make no sense are refused before anything runs") {
  Fixture f;
  auto text = [&](pb::Op op) { return Message(f.Run(op, {f.cache.Tree({})}).status()); };
  pb::Op op = Exec();
  op.mutable_exec()->mutable_mounts(0)->set_mounttype(pb::TMPFS);
  CHECK(text(op) == "invalid mount type TMPFS for /");
  op = Exec();
  AddMount(op, "/c", pb::CACHE, -1, -1);
  CHECK(text(op) == "missing cache mount options");
  op.mutable_exec()->mutable_mounts(1)->mutable_cacheopt()->set_sharing(static_cast<pb::CacheSharingOpt>(7));
  CHECK(text(op) == "invalid cache sharing option: 7");
  op = Exec();
  AddMount(op, "/s", pb::SECRET, -1, -1);
  CHECK(text(op) == "invalid secret mount options");
  op.mutable_exec()->mutable_mounts(1)->mutable_secretopt();
  CHECK(text(op) == "secret ID missing from mount options");
  op = Exec();
  AddMount(op, "/s", pb::SSH, -1, -1);
  CHECK(text(op) == "invalid ssh mount options");
  op = Exec();
  AddMount(op, "/m", pb::BIND, 5, -1);
  CHECK(text(op) == "missing input 5");
  CHECK(f.executor.runs == 0);
  CHECK(f.cache.state.writable == 0);
  CHECK(f.cache.state.mounts == 0);
}

TEST_CASE("exec: a failed commit is an error and drops the trees") {
  Fixture f;
  f.cache.state.fail_commit = true;
  CHECK(Message(f.Run(Exec(), {f.cache.Tree({})}).status()).starts_with("error committing "));
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("file: actions build on one another and on inputs") {
  Fixture f;
  pb::Op op;
  auto add = [&](int64_t input, int64_t secondary, int64_t output) -> pb::FileAction& {
    pb::FileAction& action = *op.mutable_file()->add_actions();
    action.set_input(input);
    action.set_secondaryinput(secondary);
    action.set_output(output);
    return action;
  };
  auto* mkdir = add(0, -1, -1).mutable_mkdir();
  mkdir->set_path("/d");
  mkdir->set_mode(0755);
  mkdir->set_timestamp(-1);
  auto* copy = add(2, 1, 0).mutable_copy();
  copy->set_src("/from");
  copy->set_dest("/d/");
  copy->set_mode(-1);
  copy->set_timestamp(-1);
  auto base = f.cache.Tree({{"f", "base"}});
  auto results = f.Run(op, {base, f.cache.Tree({{"from", "copied"}})});
  REQUIRE(results.ok());
  auto ref = RefOf((*results)[0]);
  CHECK(f.cache.Text(ref, "d/from") == "copied");
  CHECK(f.cache.Text(ref, "f") == "base");
  CHECK(f.Events("commit") == 1);  // one tree through the chain
  CHECK(f.cache.state.descriptions[ref->Id()] == "name");
  CHECK(f.cache.state.writable == 0);
  CHECK(f.cache.state.mounts == 0);
}

TEST_CASE("file: owners by name come from the tree they name; failures drop what was begun") {
  Fixture f;
  pb::Op op;
  pb::FileAction& action = *op.mutable_file()->add_actions();
  action.set_input(-1);
  action.set_secondaryinput(-1);
  auto* mkfile = action.mutable_mkfile();
  mkfile->set_path("/f");
  mkfile->set_mode(0644);
  mkfile->set_timestamp(-1);
  mkfile->mutable_owner()->mutable_user()->mutable_byname()->set_name("app");
  auto names = f.cache.Tree({{"etc/passwd", "app:x:42:43::/:\n"}});
  auto results = f.Run(op, {names});
  REQUIRE(results.ok());
  struct stat st;
  REQUIRE(stat((f.cache.state.root + "/" + (*results)[0]->Id() + "/f").c_str(), &st) == 0);
  CHECK(st.st_uid == 42);
  CHECK(st.st_gid == 43);
  mkfile->set_path("/no/such/dir");
  auto failed = f.Run(op, {names}).status();
  CHECK(failed.code() == absl::StatusCode::kUnknown);
  f.factory.reset();  // what failed steps left ends with their op, on another thread
  CHECK(f.Events("drop") == 1);
  CHECK(f.cache.state.mounts == 0);
}

TEST_CASE("merge: nothing, one and several trees") {
  Fixture f;
  pb::Op op;
  op.mutable_merge();
  auto a = f.cache.Tree({}), b = f.cache.Tree({});
  CHECK((*f.Run(op, {nullptr, nullptr}))[0]->Id() == "");
  CHECK((*f.Run(op, {nullptr, a}))[0]->Id() == a->Id());
  CHECK(f.cache.state.merges == 0);
  CHECK(f.Run(op, {a, b}).ok());
  CHECK(f.cache.state.merges == 1);
}

TEST_CASE("diff: nothing below is all, a tree and itself is nothing") {
  Fixture f;
  auto diff = [](int64_t lower, int64_t upper) {
    pb::Op op;
    op.mutable_diff()->mutable_lower()->set_input(lower);
    op.mutable_diff()->mutable_upper()->set_input(upper);
    return op;
  };
  auto a = f.cache.Tree({}), b = f.cache.Tree({});
  CHECK((*f.Run(diff(-1, 0), {a}))[0]->Id() == a->Id());
  CHECK((*f.Run(diff(-1, -1), {}))[0]->Id() == "");
  CHECK((*f.Run(diff(0, 0), {a, a}))[0]->Id() == "");
  CHECK((*f.Run(diff(0, 1), {nullptr, b}))[0]->Id() == b->Id());
  CHECK(f.cache.state.diffs == 0);
  CHECK(f.Run(diff(0, 1), {a, b}).ok());
  CHECK(f.Run(diff(0, -1), {a}).ok());
  CHECK(f.cache.state.diffs == 2);
  CHECK(Message(f.Run(diff(0, 1), {a}).status()) == "invalid upper input index 1 for diff op with 1 inputs");
}

TEST_CASE("passthrough gives its inputs out again") {
  Fixture f;
  pb::Op op;
  for (int64_t index : {1, 0, 1}) op.mutable_passthrough()->add_outputs(index);
  auto a = f.cache.Tree({}), b = f.cache.Tree({});
  auto results = f.Run(op, {a, b});
  REQUIRE(results.ok());
  CHECK((*results)[0]->Id() == b->Id());
  CHECK((*results)[1]->Id() == a->Id());
  CHECK_FALSE(f.Run(op, {a}).ok());
}

TEST_CASE("kinds that are not built and ops without meaning are refused by name") {
  Fixture f;
  pb::Op build;
  build.mutable_build()->set_builder(-1);
  CHECK(Message(f.Make(build, 0).status()) == "op of kind build is not built yet");
  build.mutable_build()->set_builder(3);
  REQUIRE(f.Make(build, 0).ok());
  CHECK(Message(f.Run(build, {}).status()) == "only LLB builder is currently allowed");
  CHECK(Message(f.Make(pb::Op(), 0).status()) == "no support for <nil>");
  pb::Op exec;
  exec.mutable_exec()->mutable_meta();
  CHECK(Message(f.Make(exec, 0).status()) == "invalid exec op with no args");
}

TEST_CASE("results are stored by the id of their ref; a pruned one is not found") {
  FakeCache cache;
  RefResultStorage storage(&cache);
  auto ref = cache.Tree({});
  auto saved = storage.Save(RefResult(ref));
  REQUIRE(saved.ok());
  CHECK(saved->id == ref->Id());
  CHECK(saved->created_ns == 77);
  CHECK((*storage.Load(saved->id))->Id() == ref->Id());
  CHECK(RefOf(*storage.Load("")) == nullptr);
  CHECK(absl::IsNotFound(storage.Load("gone").status()));
}

}  // namespace
}  // namespace bk::ops
