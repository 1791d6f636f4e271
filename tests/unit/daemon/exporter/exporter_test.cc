// Exporters against a client made of values: trees, archives, declined exports, kept images.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/os/file.h"
#include "daemon/exporter/manifest.h"
#include "daemon/exporter/options.h"
#include "daemon/exporter/table.h"
#include "proto/fsutil/receiver.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/diff/tar.h"
#include "snapshotter/lease/lease.h"
#include "snapshotter/meta/database.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/packet_pipe.h"

namespace bk::exporter {
namespace {

// A ref over a plain directory, with one made-up layer.
class DirRef : public cache::ImmutableRef, public std::enable_shared_from_this<DirRef> {
 public:
  DirRef(content::ContentStore* store, std::string dir, std::string layer = "layer") : store_(store), dir_(std::move(dir)), layer_(std::move(layer)) {}
  class Active : public cache::ActiveMount {
   public:
    explicit Active(const std::string& dir) : mounts_{{"bind", dir, {"rbind"}}} {}
    const std::vector<os::Mount>& mounts() const override { return mounts_; }

   private:
    std::vector<os::Mount> mounts_;
  };
  absl::StatusOr<std::unique_ptr<cache::ActiveMount>> Mount(const CancelToken&, const cache::FetchContext&, bool) const override { return std::make_unique<Active>(dir_); }
  const std::string& Id() const override { return dir_; }
  std::vector<cache::ImmutablePtr> LayerChain() const override { return {shared_from_this()}; }
  absl::StatusOr<std::vector<cache::Layer>> Layers(const CancelToken&, const cache::FetchContext&, const CompressionChoice&, bool) const override {
    cache::Layer layer;
    layer.descriptor = {media_type::kOciLayer, DigestOf(layer_), static_cast<int64_t>(layer_.size()), {}, {}, ""};
    layer.diff_id = layer.descriptor.digest;
    BK_RETURN_IF_ERROR(store_->Put(layer_, layer.descriptor.digest));
    return std::vector<cache::Layer>{layer};
  }
  absl::StatusOr<int64_t> SizeBytes(const CancelToken&) const override { return 0; }
  absl::Status Extract(const CancelToken&, const cache::FetchContext&) const override { return absl::OkStatus(); }
  bool IsLazy() const override { return false; }
  std::string Description() const override { return "step"; }
  int64_t CreatedNs() const override { return 1'000'000'000; }
  std::string GetValue(const std::string&) const override { return ""; }
  absl::Status SetValue(const std::string&, const std::string&) const override { return absl::OkStatus(); }

 private:
  content::ContentStore* store_;
  std::string dir_, layer_;
};

struct Bench {
  Bench() : temp(*os::TempDir::Make("exporter-test-")) {
    store = *content::ContentStore::Open(temp.path() + "/content");
    database = *meta::Database::Open(temp.path() + "/store.db");
    leases = std::make_unique<lease::Leases>(database.get());
    exporters = MakeExporters({.content = store.get(), .leases = leases.get(), .sessions = &sessions, .registry = nullptr, .temp_dir = temp.path() + "/tmp"});
    dest = temp.path() + "/dest";
    REQUIRE(os::MakeDirs(dest, 0755).ok());
    sessions.client->packets = [this]() -> absl::StatusOr<std::unique_ptr<fsutil::Stream>> {
      return std::make_unique<testing::PacketPipe>([this](fsutil::Stream& stream) { return fsutil::ReceiveTree(CancelToken::Never(), stream, dest, receive); });
    };
    receive.merge = true;
  }
  cache::ImmutablePtr Dir(const std::string& name, const std::map<std::string, std::string>& files, const std::string& layer = "layer") {
    std::string dir = temp.path() + "/" + name;
    REQUIRE(os::MakeDirs(dir, 0755).ok());
    for (const auto& [path, text] : files) REQUIRE(os::WriteFile(dir + "/" + path, text, 0644).ok());
    return std::make_shared<DirRef>(store.get(), dir, layer);
  }
  absl::StatusOr<ExportOutcome> Export(const std::string& type, const std::map<std::string, std::string>& attrs, const Result& result) {
    auto instance = exporters[type]->Resolve(attrs);
    if (!instance.ok()) return instance.status();
    return (*instance)->Export(CancelToken::Never(), result, {"session", "3", {}});
  }
  Result Platforms(const std::map<std::string, std::string>& first, const std::map<std::string, std::string>& second) {
    Result result;
    result.refs = {{"linux/amd64", Dir("one", first)}, {"linux/arm64", Dir("two", second)}};
    result.is_map = true;
    result.metadata["refs.platforms"] =
        R"({"Platforms":[{"ID":"linux/amd64","Platform":{"os":"linux","architecture":"amd64"}},{"ID":"linux/arm64","Platform":{"os":"linux","architecture":"arm64"}}]})";
    return result;
  }
  Result Single(const std::string& layer = "layer") {
    Result result;
    result.ref = Dir("single", {{"a", "first"}}, layer);
    return result;
  }
  std::string Received(const std::string& name) { return os::ReadFile(dest + "/" + name).value_or("(missing)"); }

  os::TempDir temp;
  std::string dest;
  std::unique_ptr<content::ContentStore> store;
  std::unique_ptr<meta::Database> database;
  std::unique_ptr<lease::Leases> leases;
  testing::FakeSessions sessions;
  fsutil::ReceiveOptions receive;
  Exporters exporters;
};

TEST_CASE("local writes the tree to the client, with every time set to the epoch") {
  Bench bench;
  auto outcome = bench.Export("local", {{"source-date-epoch", "1234"}}, bench.Single());
  REQUIRE_MESSAGE(outcome.ok(), Message(outcome.status()));
  CHECK(bench.Received("a") == "first");
  struct stat st {};
  REQUIRE(stat((bench.dest + "/a").c_str(), &st) == 0);
  CHECK(st.st_mtim.tv_sec == 1234);
  CHECK(bench.sessions.client->headers.at("buildkit-attachable-exporter-id") == "3");
  CHECK_FALSE(bench.sessions.client->headers.contains("buildkit-exporter-multi-platform"));
}

TEST_CASE("local in mode delete mirrors the tree in one transfer") {  // RPC-054, RPC-056
  Bench bench;
  REQUIRE(os::WriteFile(bench.dest + "/old", "x", 0644).ok());
  bench.receive.merge = false;
  REQUIRE(bench.Export("local", {{"mode", "delete"}}, bench.Platforms({{"a", "1"}}, {{"b", "2"}})).ok());
  CHECK(bench.Received("old") == "(missing)");
  CHECK(bench.Received("linux_amd64/a") == "1");
  CHECK(bench.Received("linux_arm64/b") == "2");
  CHECK(bench.sessions.client->headers.at("buildkit-exporter-multi-platform") == "1");
}

TEST_CASE("platforms without directories of their own must not have files of one name") {
  Bench bench;
  CHECK(bench.Export("local", {{"platform-split", "false"}}, bench.Platforms({{"a", "1"}}, {{"b", "2"}})).ok());
  CHECK(bench.Received("a") == "1");
  CHECK(bench.Received("b") == "2");
  auto conflict = bench.Export("local", {{"platform-split", "false"}}, bench.Platforms({{"a", "1"}}, {{"a", "2"}}));
  CHECK(Message(conflict.status()) == "cannot overwrite a from linux/amd64 with linux/arm64 when split option is disabled");
}

TEST_CASE("tar sends the tree as an archive") {
  Bench bench;
  REQUIRE(bench.Export("tar", {{"source-date-epoch", "77"}}, bench.Platforms({{"a", "1"}}, {{"b", "22"}})).ok());
  diff::StringSource source(bench.sessions.client->sent);
  diff::TarReader reader(source);
  std::vector<std::string> names;
  diff::TarHeader header;
  while (*reader.Next(header)) {
    names.push_back(header.name);
    CHECK(header.mtime.seconds == 77);
  }
  CHECK(names == std::vector<std::string>{"linux_amd64/", "linux_amd64/a", "linux_arm64/", "linux_arm64/b"});
}

TEST_CASE("a client that declines: success for oci and docker, failure for tar") {
  Bench bench;
  bench.sessions.client->declines = true;
  CHECK(bench.Export("oci", {}, bench.Single()).ok());
  CHECK(bench.Export("docker", {}, bench.Single()).ok());
  CHECK(absl::IsAlreadyExists(bench.Export("tar", {}, bench.Single()).status()));
}

TEST_CASE("with tar=false blobs go into the client's store, the manifest last") {
  Bench bench;
  auto outcome = bench.Export("oci", {{"tar", "false"}}, bench.Single());
  REQUIRE(outcome.ok());
  const auto& written = bench.sessions.client->written;
  REQUIRE(written.size() == 3);
  CHECK(written.back() == "manifest-" + outcome->response["containerimage.digest"]);
}

TEST_CASE("a kept image holds its blobs, and a new one under the name lets the old ones go") {  // INF-009
  Bench bench;
  auto first = bench.Export("image", {{"name", "example.com/app:1"}}, bench.Single("old layer"));
  REQUIRE_MESSAGE(first.ok(), Message(first.status()));
  Digest manifest = *Digest::Parse(first->response["containerimage.digest"]), layer = DigestOf("old layer");
  CHECK(bench.leases->Holds(manifest));
  CHECK(bench.leases->Holds(layer));
  lease::Leases after_restart(bench.database.get());
  REQUIRE(after_restart.Load().ok());
  CHECK(after_restart.Holds(layer));
  REQUIRE(bench.Export("image", {{"name", "example.com/app:1"}}, bench.Single("new layer")).ok());
  CHECK_FALSE(bench.leases->Holds(layer));
  CHECK(bench.leases->Holds(DigestOf("new layer")));
}

TEST_CASE("an image without a name, or with store=false, is not kept") {
  Bench bench;
  REQUIRE(bench.Export("image", {}, bench.Single()).ok());
  REQUIRE(bench.Export("image", {{"name", "x"}, {"store", "false"}}, bench.Single()).ok());
  CHECK_FALSE(bench.leases->Holds(DigestOf("layer")));
}

TEST_CASE("attributes of the wrong kind are refused with the reference's words") {
  Bench bench;
  auto message = [&](const std::string& type, const std::map<std::string, std::string>& attrs) { return Message(bench.exporters[type]->Resolve(attrs).status()); };
  CHECK(message("image", {{"push", "maybe"}}) == "non-bool value specified for push: strconv.ParseBool: parsing \"maybe\": invalid syntax");
  CHECK(message("oci", {{"compression", "brotli"}}) == "unsupported compression type brotli");
  CHECK(message("oci", {{"compression", "estargz"}}).find("not built yet") != std::string::npos);
  CHECK(message("local", {{"mode", "mirror"}}) == "invalid local exporter mode \"mirror\"");
  CHECK(message("oci", {{"annotation-foo.k", "v"}}) == "unrecognized annotation type foo");
}

}  // namespace
}  // namespace bk::exporter
