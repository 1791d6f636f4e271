#include "daemon/history/status_log.h"

#include <doctest/doctest.h>

#include "base/os/file.h"

using namespace bk;
using namespace bk::history;

namespace {

struct Fixture {
  os::TempDir dir = *os::TempDir::Make("status-log-test");
  std::unique_ptr<content::ContentStore> content = *content::ContentStore::Open(dir.path());

  absl::StatusOr<std::vector<std::string>> Read(const BlobDescriptor& log) {
    std::vector<std::string> names;
    BK_RETURN_IF_ERROR(ReadStatusLog(*content, log, [&](const StatusResponse& response) {
      for (const auto& vertex : response.vertexes()) names.push_back(vertex.name());
      return absl::OkStatus();
    }));
    return names;
  }
  BlobDescriptor Blob(const std::string& bytes) {
    BlobDescriptor log;
    log.set_digest(DigestOf(bytes).str());
    REQUIRE(content->Put(bytes, DigestOf(bytes)).ok());
    return log;
  }
};

StatusResponse Vertex(const std::string& name, bool completed, bool cached) {
  StatusResponse response;
  auto* vertex = response.add_vertexes();
  vertex->set_digest(DigestOf(name).str());
  vertex->set_name(name);
  vertex->set_cached(cached);
  if (completed) vertex->mutable_completed()->set_seconds(1);
  return response;
}

}  // namespace

TEST_CASE("what was said is said again, and counted by vertex") {  // ATT-031
  Fixture f;
  auto writer = StatusLogWriter::Begin(*f.content);
  REQUIRE(writer.ok());
  for (const auto& response : {Vertex("a", false, false), Vertex("a", true, true), Vertex("b", true, false), Vertex("c", false, false)}) REQUIRE(writer->Add(response).ok());
  StatusResponse warning;
  warning.add_warnings()->set_level(1);
  REQUIRE(writer->Add(warning).ok());
  CHECK(writer->total_steps() == 3);
  CHECK(writer->cached_steps() == 1);
  CHECK(writer->completed_steps() == 2);
  CHECK(writer->warnings() == 1);
  auto log = writer->Finish();
  REQUIRE(log.ok());
  CHECK(log->media_type() == "application/vnd.buildkit.status.v0");
  CHECK(log->size() == *f.content->Size(*Digest::Parse(log->digest())));
  CHECK(*f.Read(*log) == std::vector<std::string>{"a", "a", "b", "c"});
}

TEST_CASE("the bytes are a length, little endian, and a message") {
  Fixture f;
  auto writer = StatusLogWriter::Begin(*f.content);
  StatusResponse response = Vertex("a", false, false);
  REQUIRE(writer->Add(response).ok());
  auto log = writer->Finish();
  std::string body = response.SerializeAsString();
  std::string header = {static_cast<char>(body.size()), 0, 0, 0};
  CHECK(*f.content->Read(*Digest::Parse(log->digest()), 1000) == header + body);
}

TEST_CASE("a build that said nothing has an empty log") {
  Fixture f;
  auto log = StatusLogWriter::Begin(*f.content)->Finish();
  REQUIRE(log.ok());
  CHECK(f.Read(*log)->empty());
}

TEST_CASE("blobs that are no log are refused, not believed") {
  Fixture f;
  for (const std::string& bytes : {std::string("abc"), std::string("\x05\x00\x00\x00" "ab", 6), std::string("\xff\xff\xff\xff", 4), std::string("\x02\x00\x00\x00\xff\xff", 6)}) {
    CHECK(f.Read(f.Blob(bytes)).status().code() == absl::StatusCode::kDataLoss);
  }
  BlobDescriptor missing;
  missing.set_digest(DigestOf("missing").str());
  CHECK(f.Read(missing).status().code() == absl::StatusCode::kNotFound);
}
