#include "client/solve/oci_index.h"

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "client/solve/export_targets.h"

using namespace bk;
using namespace bk::client;

namespace {

const std::string kDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
std::string Descriptor(const std::string& digest) { return R"({"mediaType":"m","digest":")" + digest + R"(","size":1})"; }

}  // namespace

TEST_CASE("an image is found by its name and by its tag, and replaces the one that had the name") {
  os::TempDir directory = *os::TempDir::Make("index");
  OciIndex index(directory.path());
  std::string other = "sha256:" + std::string(64, 'a');
  REQUIRE(index.Put(Descriptor(kDigest), {{"docker.io/library/x:1", false}}).ok());
  REQUIRE(index.Put(Descriptor(other), {{"docker.io/library/x:1", false}, {"latest", true}}).ok());
  CHECK((*index.Find("docker.io/library/x:1"))->str() == other);
  CHECK((*index.Find("latest"))->str() == other);
  CHECK((*index.Find("1"))->str() == other);
  CHECK_FALSE(index.Find("nosuch")->has_value());
  CHECK(os::ReadFile(directory.path() + "/index.json")->find(kDigest) == std::string::npos);
  CHECK(*os::ReadFile(directory.path() + "/oci-layout") == R"({"imageLayoutVersion":"1.0.0"})");
  CHECK_FALSE(os::Exists(directory.path() + "/index.json.lock"));
}

TEST_CASE("a broken index is an error, not an empty one") {
  os::TempDir directory = *os::TempDir::Make("index");
  CHECK(OciIndex(directory.path()).Find("latest").status().code() == absl::StatusCode::kNotFound);
  REQUIRE(os::WriteFile(directory.path() + "/index.json", "{", 0644).ok());
  CHECK_FALSE(OciIndex(directory.path()).Find("latest").ok());
  CHECK_FALSE(OciIndex(directory.path()).Put(Descriptor(kDigest), {{"latest", true}}).ok());
}

TEST_CASE("only one export may go to a store") {
  os::TempDir directory = *os::TempDir::Make("targets");
  std::vector<ExportEntry> exports(2);
  for (auto& entry : exports) {
    entry.type = "oci";
    entry.directory = directory.path();
  }
  CHECK(OpenExportTargets(exports).status().message() == "oci store key \"export\" already exists");
}
