#include <doctest/doctest.h>
#include <fcntl.h>

#include "client/session/content.h"
#include "client/session/file_send.h"
#include "client/session/file_sync.h"
#include "client/session/secrets.h"
#include "content/content.grpc.pb.h"
#include "external/health.grpc.pb.h"
#include "session/filesync.grpc.pb.h"
#include "session/secrets.grpc.pb.h"
#include "tests/unit/client/session/inner_daemon.h"

using namespace bk;
using namespace bk::client;
namespace content = containerd::services::content::v1;

namespace {

using Packet = fsutil::types::Packet;

struct Call {
  grpc::ClientContext context;
  Call(std::initializer_list<std::pair<const char*, const char*>> headers = {}) {
    for (auto [key, value] : headers) context.AddMetadata(key, value);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }
};

// Paths that the client lists for a directory, and the status if it refuses.
std::pair<std::vector<std::string>, grpc::Status> List(const std::shared_ptr<grpc::Channel>& channel, std::initializer_list<std::pair<const char*, const char*>> headers) {
  Call call(headers);
  auto stream = moby::filesync::v1::FileSync::NewStub(channel)->DiffCopy(&call.context);
  std::vector<std::string> paths;
  Packet packet;
  while (stream->Read(&packet)) {
    if (packet.type() != Packet::PACKET_STAT || !packet.has_stat()) break;
    paths.push_back(packet.stat().path());
  }
  Packet fin;
  fin.set_type(Packet::PACKET_FIN);
  stream->Write(fin);
  stream->WritesDone();
  while (stream->Read(&packet)) {
  }
  return {paths, stream->Finish()};
}

}  // namespace

TEST_CASE("a session advertises what it offers, is healthy, and ends without an error when it is closed") {  // RPC-042, RPC-066
  InnerDaemon daemon;
  RunningSession session(daemon, [](Session& s) { s.Add(kSecretsName, *MakeSecrets({})); });
  auto channel = daemon.channel();
  CHECK(daemon.methods() == std::set<std::string>{"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/moby.buildkit.secrets.v1.Secrets/GetSecret"});
  Call call;
  grpc::health::v1::HealthCheckResponse response;
  CHECK(grpc::health::v1::Health::NewStub(channel)->Check(&call.context, {}, &response).ok());
  CHECK(response.status() == grpc::health::v1::HealthCheckResponse::SERVING);
  CHECK(session.End().ok());
}

TEST_CASE("a session that was closed before it ran ends at once") {
  InnerDaemon daemon;
  Connection connection = daemon.Connect();
  Session session;
  session.Close();
  CHECK(session.Run(CancelToken::Never(), connection).ok());
}

TEST_CASE("a daemon that is not there is an error of the session") {
  Connection connection(*ParseAddress("unix:///nonexistent/socket"));
  Session session;
  session.Add(kSecretsName, *MakeSecrets({}));
  absl::Status status = session.Run(CancelToken::Never(), connection);
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(status.message().find("dial unix /nonexistent/socket: connect: no such file or directory") != absl::string_view::npos);
}

TEST_CASE("secrets: values of files and variables, not found for others") {
  os::TempDir directory = *os::TempDir::Make("secret");
  REQUIRE(os::WriteFile(directory.path() + "/f", "from file", 0600).ok());
  setenv("SESSION_TEST_SECRET", "from env", 1);
  InnerDaemon daemon;
  RunningSession session(daemon, [&](Session& s) {
    s.Add(kSecretsName, *MakeSecrets({{"f", directory.path() + "/f", ""}, {"e", "", "SESSION_TEST_SECRET"}, {"SESSION_TEST_SECRET", "", ""}}));
  });
  auto stub = moby::buildkit::secrets::v1::Secrets::NewStub(daemon.channel());
  auto get = [&](const char* id) {
    Call call;
    moby::buildkit::secrets::v1::GetSecretRequest request;
    request.set_id(id);
    moby::buildkit::secrets::v1::GetSecretResponse response;
    grpc::Status status = stub->GetSecret(&call.context, request, &response);
    return status.ok() ? response.data() : StrCat("code ", static_cast<int>(status.error_code()));
  };
  CHECK(get("f") == "from file");
  CHECK(get("e") == "from env");
  CHECK(get("SESSION_TEST_SECRET") == "from env");
  CHECK(get("x") == "code 5");
}

TEST_CASE("only named directories are sent, with the patterns of the headers") {  // RPC-053
  os::TempDir directory = *os::TempDir::Make("sync");
  for (const char* name : {"a.txt", "b.log", "é"}) REQUIRE(os::WriteFile(directory.path() + "/" + name, "x", 0644).ok());
  InnerDaemon daemon;
  RunningSession session(daemon, [&](Session& s) { s.Add(kFileSyncName, MakeFileSync({{"context", directory.path()}})); });
  auto channel = daemon.channel();
  CHECK(List(channel, {{"dir-name", "context"}}).first == std::vector<std::string>{"a.txt", "b.log", "é"});
  CHECK(List(channel, {{"dir-name", "context"}, {"exclude-patterns", "*.log"}}).first == std::vector<std::string>{"a.txt", "é"});
  CHECK(List(channel, {{"dir-name", "context"}, {"include-patterns", "%C3%A9"}, {"include-patterns-encoded", "1"}}).first == std::vector<std::string>{"é"});
  grpc::Status refused = List(channel, {{"dir-name", "other"}}).second;
  CHECK(refused.error_code() == grpc::NOT_FOUND);
  CHECK(refused.error_message() == "no access allowed to dir \"other\"");
}

TEST_CASE("a tar-like export arrives in its file, once") {  // RPC-055, RPC-056
  os::TempDir directory = *os::TempDir::Make("send");
  std::string path = directory.path() + "/out";
  std::map<int, ExportTarget> targets;
  targets[1].file = *os::Open(path, O_WRONLY | O_CREAT, 0644);
  InnerDaemon daemon;
  RunningSession session(daemon, [&](Session& s) { s.Add(kFileSendName, MakeFileSend(std::move(targets))); });
  auto stub = moby::filesync::v1::FileSend::NewStub(daemon.channel());
  auto send = [&](const char* exporter) {
    Call call({{"buildkit-attachable-exporter-id", exporter}});
    auto stream = stub->DiffCopy(&call.context);
    moby::filesync::v1::BytesMessage message;
    for (const char* piece : {"one ", "two"}) {
      message.set_data(piece);
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    while (stream->Read(&message)) {
    }
    return stream->Finish();
  };
  CHECK(send("1").ok());
  CHECK(*os::ReadFile(path) == "one two");
  CHECK(send("1").error_code() == grpc::FAILED_PRECONDITION);
  CHECK(send("7").error_code() == grpc::NOT_FOUND);
}

TEST_CASE("a daemon without mirroring is refused when files are to be deleted") {
  os::TempDir directory = *os::TempDir::Make("send");
  REQUIRE(os::WriteFile(directory.path() + "/precious", "x", 0644).ok());
  std::map<int, ExportTarget> targets;
  targets[0].directory = directory.path();
  targets[0].mirror = true;
  InnerDaemon daemon;
  RunningSession session(daemon, [&](Session& s) { s.Add(kFileSendName, MakeFileSend(std::move(targets))); });
  Call call;
  auto stream = moby::filesync::v1::FileSend::NewStub(daemon.channel())->DiffCopy(&call.context);
  moby::filesync::v1::BytesMessage message;
  while (stream->Read(&message)) {
  }
  CHECK(stream->Finish().error_code() == grpc::FAILED_PRECONDITION);
  CHECK(os::Exists(directory.path() + "/precious"));
}

TEST_CASE("content: a blob is written, verified, read back in part") {
  os::TempDir directory = *os::TempDir::Make("content");
  auto store = *BlobStore::Open(directory.path());
  InnerDaemon daemon;
  RunningSession session(daemon, [&](Session& s) { s.Add(kContentName, MakeContent({{"export", store}})); });
  auto stub = content::Content::NewStub(daemon.channel());
  Digest digest = DigestOf("hello blob");
  auto write = [&](const std::string& expected, const std::string& data) {
    Call call({{"buildkit-attachable-store-id", "export"}});
    auto stream = stub->Write(&call.context);
    content::WriteContentResponse answer;
    content::WriteContentRequest request;
    request.set_ref("r");
    request.set_expected(expected);
    stream->Write(request);
    if (stream->Read(&answer)) {
      request.set_action(content::WRITE);
      request.set_data(data);
      stream->Write(request);
      stream->Read(&answer);
      content::WriteContentRequest commit;
      commit.set_action(content::COMMIT);
      stream->Write(commit);
      stream->Read(&answer);
    }
    stream->WritesDone();
    while (stream->Read(&answer)) {
    }
    return stream->Finish();
  };
  CHECK(write(digest.str(), "something else").error_code() == grpc::FAILED_PRECONDITION);
  CHECK_FALSE(store->Info(digest).ok());
  CHECK(write(digest.str(), "hello blob").ok());
  CHECK(write(digest.str(), "hello blob").error_code() == grpc::ALREADY_EXISTS);
  CHECK_FALSE(os::Exists(directory.path() + "/ingest"));

  auto read = [&](const char* store_id, int64_t offset, int64_t size) {
    Call call({{"buildkit-attachable-store-id", store_id}});
    content::ReadContentRequest request;
    request.set_digest(digest.str());
    request.set_offset(offset);
    request.set_size(size);
    auto stream = stub->Read(&call.context, request);
    std::string bytes;
    content::ReadContentResponse piece;
    while (stream->Read(&piece)) bytes += piece.data();
    grpc::Status status = stream->Finish();
    return status.ok() ? bytes : StrCat("code ", static_cast<int>(status.error_code()));
  };
  CHECK(read("export", 0, 0) == "hello blob");
  CHECK(read("export", 6, 2) == "bl");
  CHECK(read("export", 6, 99) == "blob");  // the size is that of the reader's buffer
  CHECK(read("export", 6, INT64_MAX) == "blob");
  CHECK(read("export", 10, 99).empty());
  CHECK(read("export", 11, 0) == "code 11");
  CHECK(read("export", -1, 0) == "hello blob");
  CHECK(read("other", 0, 0) == "code 5");
}
