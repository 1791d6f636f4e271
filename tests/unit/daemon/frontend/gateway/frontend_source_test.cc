// DFE-105, DFE-114: what stands in the place of a frontend's image.
#include "daemon/frontend/gateway/frontend_source.h"

#include <doctest/doctest.h>

namespace bk::frontend::gateway {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

class NoRef final : public Ref {
 public:
  const pb::Definition& definition() const override { return definition_; }
  absl::Status Evaluate(const CancelToken&) override { return absl::OkStatus(); }

 private:
  pb::Definition definition_;
};

class FakeBridge final : public Bridge {
 public:
  std::vector<std::string> asked;  // for
  std::string ignore_file;
  std::map<std::string, std::string> replaced;  // by a policy: name → identifier
  std::vector<std::shared_ptr<const pb::Definition>> solved;

  absl::StatusOr<Result> Solve(const CancelToken&, const SolveRequest& request) override {
    solved.push_back(request.definition);
    Result result;
    result.ref = std::make_shared<NoRef>();
    return result;
  }
  absl::StatusOr<std::string> ReadFile(const CancelToken&, Ref&, const std::string& path, int64_t, int64_t) override {
    if (ignore_file.empty()) return NotFound("open ", path, ": no such file or directory");
    return ignore_file;
  }
  absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken&, Ref&, const std::string&, const std::string&) override { return Unimplemented("ReadDir"); }
  absl::StatusOr<FileStat> StatFile(const CancelToken&, Ref&, const std::string&) override { return Unimplemented("StatFile"); }
  absl::StatusOr<ImageConfig> ResolveImageConfig(const CancelToken&, const std::string& ref, const ResolveOptions& options) override {
    asked.push_back(ref + (options.store_id.empty() ? "" : " in " + options.store_id + " of " + options.session_id));
    if (auto other = replaced.find(ref); other != replaced.end()) return ImageConfig{other->second, "", ""};
    return ImageConfig{ref, kDigest, R"({"config":{"Entrypoint":["/own"],"Env":["A=1"],"WorkingDir":"/w","Labels":{"l":"1"}}})"};
  }
  absl::StatusOr<SourceMetadata> ResolveSourceMeta(const CancelToken&, const pb::SourceOp&, const ResolveOptions&) override { return Unimplemented("ResolveSourceMeta"); }
  absl::Status Warn(const Digest&, const solver::WarningEvent&) override { return absl::OkStatus(); }
  std::vector<WorkerInfo> Workers() const override { return {{"w", {}, {Platform{"linux", "arm64", "", "", {}}}}}; }
  std::string SessionId() const override { return "session"; }
  std::string BuildId() const override { return "build"; }
};

using Opts = std::map<std::string, std::string>;

struct Found {
  FakeBridge bridge;
  Inputs inputs;
  absl::StatusOr<FrontendSource> source = InvalidArgument("not looked for");
  void Find(const Opts& opts, const std::string& name = "my/frontend:1") { source = FindFrontend(CancelToken::Never(), bridge, name, opts, inputs); }
  pb::SourceOp Op() const {
    REQUIRE_MESSAGE(source.ok(), source.status());
    pb::Op op;
    REQUIRE(source->definition->def_size() > 0);
    REQUIRE(op.ParseFromString(source->definition->def(0)));
    return op.source();
  }
  std::string Attr(const std::string& key) const {
    auto op = Op();
    return op.attrs().contains(key) ? op.attrs().at(key) : "";
  }
  std::string Error() const { return std::string(source.status().message()); }
};

TEST_CASE("an image is pinned to its digest, and its configuration says how it is run") {
  Found found;
  found.Find({});
  CHECK(found.Op().identifier() == "docker-image://docker.io/my/frontend:1@" + kDigest);
  CHECK(found.Attr("image.recordtype") == "frontend");
  CHECK(found.source->entrypoint == std::vector<std::string>{"/own"});
  CHECK(found.source->working_dir == "/w");
  CHECK(found.source->labels.at("l") == "1");
}

TEST_CASE("a context of the frontend's name takes the image's place, that of the platform before that of all") {
  Found found;
  found.Find({{"context:my/frontend:1", "docker-image://other:2"}, {"context:my/frontend:1::linux/amd64", "docker-image://wrong"}});
  CHECK(found.Op().identifier() == "docker-image://docker.io/library/other:2@" + kDigest);
  found.Find({{"context:my/frontend:1", "docker-image://other:2"}, {"context:my/frontend:1::linux/arm64", "docker-image://arm:3"}});
  CHECK(found.Op().identifier() == "docker-image://docker.io/library/arm:3@" + kDigest);
  found.Find({{"context:my/frontend", "docker-image://other"}}, "my/frontend:latest");
  CHECK(found.bridge.asked.back() == "docker.io/library/other:latest");
}

TEST_CASE("a policy may put a source of another kind in the place of an image, but not without end") {
  Found found;
  found.bridge.replaced = {{"docker.io/library/other:1", "https://example.com/f.tar"}};
  found.Find({{"context:my/frontend:1", "docker-image://other:1"}});
  CHECK(found.Op().identifier() == "https://example.com/f.tar");
  found.bridge.replaced = {{"docker.io/library/other:1", "docker-image://other:1"}};
  found.Find({{"context:my/frontend:1", "docker-image://other:1"}});
  CHECK(found.Error().find("context recursion limit exceeded") != std::string::npos);
}

TEST_CASE("git and http contexts") {
  Found found;
  found.Find({{"context:my/frontend:1", "https://github.com/user/repo.git#main:sub"}});
  CHECK(found.Op().identifier() == "git://github.com/user/repo.git#main:sub");
  CHECK(found.Attr("git.fullurl") == "https://github.com/user/repo.git");
  for (const char* text : {"git@github.com:user/repo.git", "git://github.com/user/repo"}) {
    found.Find({{"context:my/frontend:1", text}});
    CHECK_MESSAGE(found.Op().identifier().starts_with("git://github.com/user/repo"), text);
  }
  found.Find({{"context:my/frontend:1", "https://user:secret@example.com/f.bin"}});
  CHECK(found.Op().identifier() == "https://user:secret@example.com/f.bin");
  CHECK(found.Attr("http.filename") == "context");
  CHECK(found.source->definition->metadata().begin()->second.SerializeAsString().find("secret") == std::string::npos);
  found.Find({{"context:my/frontend:1", "git:nothing"}});
  CHECK_FALSE(found.source.ok());
}

TEST_CASE("a directory of the client, by its own session and key, without what its ignore file names") {
  Found found;
  found.bridge.ignore_file = "# c\n*.md\n!keep.md\n";
  found.Find({{"context:my/frontend:1", "local:dir"}, {"local-sessionid:dir", "other"}, {"sharedkey:localdir:my/frontend:1", "shared"}});
  CHECK(found.Op().identifier() == "local://dir");
  CHECK(found.Attr("local.session") == "other");
  CHECK(found.Attr("local.excludepatterns") == R"(["*.md","!keep.md"])");
  CHECK(found.Attr("local.sharedkeyhint") == "context:my/frontend:1-shared");
  REQUIRE(found.bridge.solved.size() == 1);
  pb::Op ignore;
  REQUIRE(ignore.ParseFromString(found.bridge.solved[0]->def(0)));
  CHECK(ignore.source().attrs().at("local.followpaths") == R"([".dockerignore"])");
  found.bridge.ignore_file.clear();
  found.Find({{"context:my/frontend:1", "local:dir"}});
  CHECK(found.Attr("local.session") == "session");
  CHECK(found.Attr("local.excludepatterns").empty());
  found.bridge.ignore_file = "a\n[\n";
  found.Find({{"context:my/frontend:1", "local:dir"}});
  CHECK(found.source.ok());  // patterns are read where they are used
}

TEST_CASE("an image of a store of the client") {
  Found found;
  found.Find({{"context:my/frontend:1", "oci-layout://store:tag@" + kDigest}});
  CHECK(found.Op().identifier() == "oci-layout://docker.io/my/frontend:1@" + kDigest);
  CHECK(found.Attr("oci.store") == "store");
  CHECK(found.bridge.asked.back() == "docker.io/my/frontend:1@" + kDigest + " in store of session");
  found.Find({{"context:my/frontend:1", "oci-layout://store:tag"}});
  CHECK(found.Error().find("has no digest") != std::string::npos);
}

TEST_CASE("the result of another build, with its configuration if that came along") {
  Found found;
  auto input = std::make_shared<pb::Definition>();
  input->add_def("x");
  found.inputs["base"] = input;
  found.Find({{"context:my/frontend:1", "input:base"}});
  REQUIRE(found.source.ok());
  CHECK(found.source->definition == input);
  CHECK(found.source->entrypoint == std::vector<std::string>{"/run"});
  // {"config":{"Entrypoint":["/e"]}}
  found.Find({{"context:my/frontend:1", "input:base"}, {"input-metadata:base", R"({"containerimage.config":"eyJjb25maWciOnsiRW50cnlwb2ludCI6WyIvZSJdfX0="})"}});
  REQUIRE(found.source.ok());
  CHECK(found.source->entrypoint == std::vector<std::string>{"/e"});
  for (const char* wrong : {"[]", "{", R"({"containerimage.config":7})", R"({"containerimage.config":"W10="})"}) {
    found.Find({{"context:my/frontend:1", "input:base"}, {"input-metadata:base", wrong}});
    CHECK_MESSAGE(found.Error().find("failed to parse") != std::string::npos, wrong);
  }
  found.Find({{"context:my/frontend:1", "input:nosuch"}});
  CHECK(found.Error() == "invalid input nosuch for my/frontend:1");
}

TEST_CASE("contexts that say nothing") {
  Found found;
  found.Find({{"context:my/frontend:1", "text"}});
  CHECK(found.Error() == "invalid context specifier text for my/frontend:1");
  found.Find({{"context:my/frontend:1", "ftp://x"}});
  CHECK(found.Error() == "unsupported context source ftp for my/frontend:1");
  found.Find({{"context:my/frontend:1", "docker-image://scratch"}});
  REQUIRE(found.source.ok());
  CHECK(found.source->definition->def_size() == 0);
}

}  // namespace
}  // namespace bk::frontend::gateway
