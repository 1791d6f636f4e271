#include "daemon/llb/load/vertex_load.h"

#include <doctest/doctest.h>

#include "daemon/llb/load/op_check.h"
#include "daemon/llb/load/op_codec.h"
#include "tests/unit/daemon/llb/definitions.h"
#include "tests/unit/support/scale.h"

using namespace bk;
using namespace bk::llb;
using fakes::DefinitionWriter;

namespace {

absl::StatusOr<LoadedDefinition> Load(const pb::Definition& definition, std::set<std::string> entitlements = {}) {
  LoadOptions options;
  options.default_platform = {"linux", "amd64", "", "", {}};
  options.entitlements.names = std::move(entitlements);
  return LoadDefinition(CancelToken(), definition, options);
}

struct RefusingFactory : ops::OpFactory {
  absl::StatusOr<std::unique_ptr<solver::Op>> Make(const ops::OpRequest& request) override {
    asked = request;
    return Unknown("made");
  }
  absl::Status DropCacheMounts(const CancelToken&, const std::string&, bool) override { return absl::OkStatus(); }
  ops::OpRequest asked;
};

}  // namespace

TEST_CASE("a long chain of ops loads, and ends, without recursion") {
  DefinitionWriter writer;
  std::string last = writer.Source("docker-image://docker.io/library/busybox:latest");
  for (int i = 0; i < test::kLarge; i++) last = writer.Add(DefinitionWriter::Exec("x"), {last});
  auto loaded = Load(writer.Finish(last));
  REQUIRE(loaded.ok());
  CHECK(loaded->ops.size() == test::kLarge + 1);
  solver::VertexPtr root = loaded->root.vertex;
  *loaded = {};
  root.reset();
}

TEST_CASE("the names of merges of merges stay short") {
  DefinitionWriter writer;
  pb::Op merge;
  merge.mutable_merge();
  std::string last = writer.Source("local://context");
  for (int i = 0; i < 200; i++) last = writer.Add(merge, {last, last});
  auto loaded = Load(writer.Finish(last));
  REQUIRE(loaded.ok());
  CHECK(loaded->root.vertex->name.size() <= 4096);
}

TEST_CASE("too many ops are refused before any is decoded") {
  pb::Definition definition;
  for (int i = 0; i <= kMaxOps; i++) definition.add_def();
  CHECK(Load(definition).status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a cancelled load ends") {
  DefinitionWriter writer;
  CancelSource cancel;
  cancel.Cancel();
  auto loaded = LoadDefinition(cancel.token(), writer.Finish(writer.Source("local://a")), {});
  CHECK(loaded.status().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("metadata belongs to the raw bytes, platforms are filled in after the digest") {
  DefinitionWriter writer;
  std::string raw = writer.Source("local://a");
  writer.Metadata(raw).set_ignore_cache(true);
  (*writer.Metadata(raw).mutable_description())["llb.customname"] = "mine";
  writer.Metadata(raw).mutable_progress_group()->set_id("g");
  auto loaded = Load(writer.Finish(raw));
  REQUIRE(loaded.ok());
  const solver::Vertex& vertex = *loaded->root.vertex;
  CHECK(vertex.digest.str() == raw);
  CHECK(vertex.name == "mine");
  CHECK(vertex.ignore_cache);
  CHECK(vertex.progress_group->id == "g");
  CHECK(loaded->ops.at(raw).op->platform().architecture() == "amd64");
}

TEST_CASE("steps need what they ask for") {
  DefinitionWriter writer;
  pb::Op op = DefinitionWriter::Exec("x");
  op.mutable_exec()->set_network(pb::HOST);
  pb::Definition definition = writer.Finish(writer.Add(op, {writer.Source("local://a")}));
  CHECK(Message(Load(definition).status()) == "network.host is not allowed");
  CHECK(Load(definition, {"network.host"}).ok());
}

TEST_CASE("a daemon without devices leaves optional ones out and refuses others") {
  pb::Op op = DefinitionWriter::Exec("x");
  auto* device = op.mutable_exec()->add_cdidevices();
  device->set_name("vendor.com/gpu=0");
  CHECK(Message(CheckEntitlements(op, {}, nullptr)) == "device vendor.com/gpu=0 is requested by the build but not allowed (the daemon runs with CDI disabled)");
  device->set_optional(true);
  CHECK(CheckEntitlements(op, {}, nullptr).ok());
  CHECK(op.exec().cdidevices().empty());
}

TEST_CASE("an unknown value of an enumeration is never taken for a known one") {
  RefusingFactory factory;
  auto make = [&](auto change) {
    DefinitionWriter writer;
    pb::Op op = DefinitionWriter::Exec("x");
    change(*op.mutable_exec());
    LoadOptions options;
    options.ops = &factory;
    auto loaded = LoadDefinition(CancelToken(), writer.Finish(writer.Add(op, {writer.Source("local://a")})), options);
    REQUIRE(loaded.ok());
    return Message(loaded->root.vertex->make_op().status());
  };
  CHECK(make([](pb::ExecOp&) {}) == "made");
  CHECK(factory.asked.name == "x");
  // Those are for the step to refuse, when it runs.
  CHECK(make([](pb::ExecOp& e) { e.set_security(static_cast<pb::SecurityMode>(7)); }) == "made");
  CHECK(make([](pb::ExecOp& e) { e.set_network(static_cast<pb::NetMode>(99)); }) == "made");
  CHECK(make([](pb::ExecOp& e) { e.mutable_mounts(0)->set_mounttype(static_cast<pb::MountType>(77)); }) == "unknown value 77 of MountType in field \"mountType\"");
  CHECK(make([](pb::ExecOp& e) { e.mutable_mounts(0)->set_contentcache(static_cast<pb::MountContentCache>(42)); }) ==
        "unknown value 42 of MountContentCache in field \"contentCache\"");
}

TEST_CASE("indexes of inputs and outputs must exist") {
  pb::Op op = DefinitionWriter::Exec("x");
  op.add_inputs();
  CHECK(CheckMeaning(op).ok());
  op.mutable_exec()->mutable_mounts(0)->set_output(5);
  CHECK_FALSE(CheckMeaning(op).ok());

  pb::Op file;
  file.add_inputs();
  file.mutable_file()->add_actions()->set_secondaryinput(1);  // its own result
  CHECK_FALSE(CheckMeaning(file).ok());
  file.mutable_file()->add_actions()->set_input(1);  // the first action's
  file.mutable_file()->mutable_actions(0)->set_secondaryinput(-1);
  CHECK(CheckMeaning(file).ok());
}

TEST_CASE("what cannot be decoded says so; text must be UTF-8") {
  CHECK(Message(DecodeOp("\x08\x01").status()) == "failed to parse llb proto op: proto: wrong wireType = 0 for field inputs");
  CHECK(Message(DecodeOp("\x1a\x7f").status()) == "failed to parse llb proto op: unexpected EOF");
  CHECK(Message(DecodeOp("\x1a\x03\x0a\x01\xff").status()) == "string field contains invalid UTF-8");
  std::string nested;
  for (int i = 0; i < 500; i++) nested = std::string("\x0b", 1) + nested;  // groups in groups
  CHECK_FALSE(DecodeOp(nested).ok());
  CHECK(DecodeOp("").ok());
}

TEST_CASE("capabilities that are not built are refused by name") {
  DefinitionWriter writer;
  std::string raw = writer.Source("local://a");
  (*writer.Metadata(raw).mutable_caps())["exec.meta.network.proxy"] = true;
  CHECK(Message(Load(writer.Finish(raw)).status()) == "API capability exec.meta.network.proxy is not built yet");
}

TEST_CASE("a source policy sees every source, needed or not, before digests are made") {
  DefinitionWriter writer;
  writer.Source("local://unused");
  std::string image = writer.Source("docker-image://a");
  pb::Definition definition = writer.Finish(writer.Add(DefinitionWriter::Exec("x"), {image}));
  std::vector<std::string> seen;
  LoadOptions options;
  options.source_policy = [&](pb::SourceOp& source) {
    seen.push_back(source.identifier());
    if (source.identifier() == "docker-image://a") source.set_identifier("docker-image://b");
    return absl::OkStatus();
  };
  auto changed = LoadDefinition(CancelToken(), definition, options);
  REQUIRE(changed.ok());
  CHECK(seen == std::vector<std::string>{"local://unused", "docker-image://a"});
  CHECK(changed->root.vertex->inputs[0].vertex->name == "docker-image://b");
  CHECK(changed->root.vertex->digest != Load(definition)->root.vertex->digest);
  options.source_policy = [](pb::SourceOp&) { return Unknown("denied"); };
  CHECK(Message(LoadDefinition(CancelToken(), definition, options).status()) == "error evaluating the source policy: denied");
}

TEST_CASE("steps on the proxy's network have digests of their own, those without a network do not") {
  auto digest = [](pb::NetMode mode, bool proxy) {
    DefinitionWriter writer;
    pb::Op step = DefinitionWriter::Exec("x");
    step.mutable_exec()->set_network(mode);
    LoadOptions options;
    options.entitlements.names = {"network.host"};
    options.proxy_network = proxy;
    auto loaded = LoadDefinition(CancelToken(), writer.Finish(writer.Add(step, {writer.Source("docker-image://a")})), options);
    return loaded.ok() ? loaded->root.vertex->digest.str() : Message(loaded.status());
  };
  CHECK(digest(pb::UNSET, true) != digest(pb::UNSET, false));
  CHECK(digest(pb::HOST, true) != digest(pb::HOST, false));
  CHECK(digest(pb::NONE, true) == digest(pb::NONE, false));
  CHECK(digest(static_cast<pb::NetMode>(7), true) == "network mode 7 is not allowed when proxy network is enabled");
}
