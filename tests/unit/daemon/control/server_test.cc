// The services on a real socket, with an engine whose ops are scripted.
#include "daemon/control/server.h"

#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>

#include <set>
#include <thread>

#include "base/version.h"
#include "content/content.grpc.pb.h"
#include "control/control.grpc.pb.h"
#include "daemon/session/connected.h"
#include "external/health.grpc.pb.h"
#include "external/trace.grpc.pb.h"
#include "frontend/gateway.grpc.pb.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/status_codec.h"
#include "snapshotter/content/content_store.h"
#include "tests/unit/daemon/llb/engine_fakes.h"

using namespace bk;
using namespace bk::fakes;
namespace api = moby::buildkit::v1;
namespace gw = moby::buildkit::v1::frontend;
namespace cs = containerd::services::content::v1;
namespace health = grpc::health::v1;

namespace {

struct ServerFixture {
  EngineFixture f;
  os::TempDir dir = *os::TempDir::Make("control-test");
  std::unique_ptr<content::ContentStore> content = *content::ContentStore::Open(dir.path() + "/content");
  session::ConnectedSessions sessions;
  std::unique_ptr<control::Services> services;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;

  ServerFixture() {
    wire::HoldGrpc();
    control::ControlParts parts;
    parts.engine = f.engine.get();
    parts.sessions = &sessions;
    parts.content = content.get();
    parts.gc_policy = {{.all = true, .keep_duration_ns = 5}};
    services = std::make_unique<control::Services>(std::move(parts));
    grpc::ServerBuilder builder;
    wire::ConfigureServer(builder);
    std::string address = "unix:" + dir.path() + "/socket";
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    services->Register(builder);
    server = builder.BuildAndStart();
    channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), wire::ChannelArguments());
  }
  ~ServerFixture() { server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1)); }

  absl::Status Solve(const api::SolveRequest& request, grpc::ClientContext* given = nullptr) {
    grpc::ClientContext own;
    api::SolveResponse response;
    return wire::FromGrpc(api::Control::NewStub(channel)->Solve(given != nullptr ? given : &own, request, &response));
  }
  api::SolveRequest Request(const std::string& identifier) {
    api::SolveRequest request;
    request.set_ref("build");
    *request.mutable_definition() = *f.Tree(identifier);
    return request;
  }
};

}  // namespace

TEST_CASE("who we are and what works here") {  // RPC-017, RPC-018
  ServerFixture s;
  auto control = api::Control::NewStub(s.channel);
  grpc::ClientContext context, context2, context3;
  api::InfoResponse info;
  REQUIRE(control->Info(&context, {}, &info).ok());
  CHECK(info.buildkitversion().package() == kPackage);
  CHECK(info.buildkitversion().version() == kVersion);
  api::ListWorkersResponse workers;
  REQUIRE(control->ListWorkers(&context2, {}, &workers).ok());
  REQUIRE(workers.record_size() == 1);
  CHECK(workers.record(0).gcpolicy(0).keepduration() == 5);
  api::ListWorkersRequest filtered;
  filtered.add_filter("id==other");
  REQUIRE(control->ListWorkers(&context3, filtered, &workers).ok());
  CHECK(workers.record_size() == 0);
}

TEST_CASE("a build, and its status from the beginning to a clean end") {
  ServerFixture s;
  s.f.ops.trees["tree://a"] = std::make_shared<DirRef>("A");
  grpc::ClientContext context;
  api::StatusRequest watch;
  watch.set_ref("build");
  auto stream = api::Control::NewStub(s.channel)->Status(&context, watch);  // before the build comes
  stream->WaitForInitialMetadata();
  CHECK(context.GetServerInitialMetadata().contains("buildkit-current-timestamp"));
  CHECK(s.Solve(s.Request("tree://a")).ok());
  api::StatusResponse response;
  bool completed = false;
  while (stream->Read(&response)) {
    for (const auto& vertex : response.vertexes()) completed = completed || (vertex.name() == "tree://a" && vertex.has_completed());
  }
  CHECK(stream->Finish().ok());
  CHECK(completed);
}

TEST_CASE("errors carry their details over the wire") {
  ServerFixture s;
  absl::Status status = s.Solve(s.Request("fail://broken"));
  CHECK(status.code() == absl::StatusCode::kUnknown);
  CHECK(Message(status) == "broken");
  CHECK(HasDetail(status, "errdefs.Vertex"));
}

TEST_CASE("a client that goes away ends its build") {
  ServerFixture s;
  grpc::ClientContext context;
  std::thread client([&] { CHECK(s.Solve(s.Request("block://"), &context).code() == absl::StatusCode::kCancelled); });
  s.f.ops.blocked.Wait([](bool b) { return b; });
  CHECK(s.services->running_builds() == 1);
  context.TryCancel();
  client.join();
  CHECK(s.services->WaitForBuilds(std::chrono::seconds(10)));
  CHECK(s.f.ops.AwaitCancelled());
}

TEST_CASE("while draining: no new builds, not serving, running ones can be cancelled") {  // DMN-086, RPC-040
  ServerFixture s;
  auto check = [&] {
    grpc::ClientContext context;
    health::HealthCheckResponse response;
    CHECK(health::Health::NewStub(s.channel)->Check(&context, {}, &response).ok());
    return response.status();
  };
  CHECK(check() == health::HealthCheckResponse::SERVING);
  absl::Status ended;
  std::thread client([&] { ended = s.Solve(s.Request("block://")); });
  s.f.ops.blocked.Wait([](bool b) { return b; });
  s.services->StartDraining();
  CHECK(check() == health::HealthCheckResponse::NOT_SERVING);
  CHECK(s.Solve(s.Request("tree://a")).code() == absl::StatusCode::kUnavailable);
  CHECK_FALSE(s.services->WaitForBuilds(std::chrono::milliseconds(1)));
  s.services->CancelBuilds();
  CHECK(s.services->WaitForBuilds(std::chrono::seconds(10)));
  client.join();
  CHECK(ended.code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("calls of a client's frontend find their build by its id") {
  ServerFixture s;
  auto bridge = gw::LLBBridge::NewStub(s.channel);
  {
    grpc::ClientContext context;
    gw::PongResponse pong;
    CHECK(bridge->Ping(&context, {}, &pong).error_message() == "forwarding Ping: no buildid found in context");
  }
  absl::Status ended;
  std::thread client([&] {
    api::SolveRequest request;
    request.set_ref("build");
    ended = s.Solve(request);
  });
  grpc::ClientContext context, context2;
  context.AddMetadata("buildkit-controlapi-buildid", "build");
  context2.AddMetadata("buildkit-controlapi-buildid", "build");
  gw::PongResponse pong;
  CHECK(bridge->Ping(&context, {}, &pong).ok());
  CHECK(pong.workers_size() == 1);
  CHECK(pong.llbcaps_size() > 10);
  gw::ReturnRequest back;
  back.mutable_error()->set_code(2);
  back.mutable_error()->set_message("the frontend says no");
  gw::ReturnResponse returned;
  CHECK(bridge->Return(&context2, back, &returned).ok());
  client.join();
  CHECK(Message(ended) == "the frontend says no");
}

TEST_CASE("blobs are read by digest, in pieces, and never written") {  // INF-008
  ServerFixture s;
  std::string bytes(3 << 20, 'x');
  Digest digest = DigestOf(bytes);
  REQUIRE(s.content->Put(bytes, digest).ok());
  auto stub = cs::Content::NewStub(s.channel);
  {
    grpc::ClientContext context;
    cs::InfoRequest request;
    request.set_digest(digest.str());
    cs::InfoResponse response;
    REQUIRE(stub->Info(&context, request, &response).ok());
    CHECK(response.info().size() == 3 << 20);
  }
  auto read = [&](int64_t offset, int64_t size, std::string& out) {
    grpc::ClientContext context;
    cs::ReadContentRequest request;
    request.set_digest(digest.str());
    request.set_offset(offset);
    request.set_size(size);
    auto stream = stub->Read(&context, request);
    cs::ReadContentResponse piece;
    while (stream->Read(&piece)) out += piece.data();
    return stream->Finish();
  };
  std::string all, part, none;
  CHECK(read(0, 0, all).ok());
  CHECK(all == bytes);
  CHECK(read(10, 5, part).ok());
  CHECK(part == "xxxxx");
  CHECK(read(4 << 20, 0, none).error_code() == grpc::StatusCode::OUT_OF_RANGE);
  grpc::ClientContext context, context2;
  cs::InfoRequest bad;
  bad.set_digest("bad");
  cs::InfoResponse response;
  CHECK(stub->Info(&context, bad, &response).error_message() == "rpc error: code = InvalidArgument desc = \"bad\" failed validation");
  cs::DeleteContentRequest remove;
  remove.set_digest(digest.str());
  google::protobuf::Empty empty;
  CHECK(stub->Delete(&context2, remove, &empty).error_message() == "rpc error: code = Unknown desc = read-only content store");
}

TEST_CASE("all blobs are listed, in several messages, by filter") {
  ServerFixture s;
  for (int i = 0; i < 150; i++) REQUIRE(s.content->Put(StrCat("blob ", i), DigestOf(StrCat("blob ", i))).ok());
  auto stub = cs::Content::NewStub(s.channel);
  auto list = [&](const std::string& filter, int& messages) {
    grpc::ClientContext context;
    cs::ListContentRequest request;
    if (!filter.empty()) request.add_filters(filter);
    auto stream = stub->List(&context, request);
    std::set<std::string> digests;
    cs::ListContentResponse part;
    for (messages = 0; stream->Read(&part); messages++) {
      for (const cs::Info& info : part.info()) digests.insert(StrCat(info.digest(), " ", info.size()));
    }
    CHECK(stream->Finish().ok());
    return digests;
  };
  int messages = 0;
  CHECK(list("", messages).size() == 150);
  CHECK(messages == 2);
  CHECK(list("digest==" + DigestOf("blob 7").str(), messages) == std::set<std::string>{DigestOf("blob 7").str() + " 6"});
  CHECK(list("digest==none", messages).empty());
  grpc::ClientContext context, context2;
  cs::StatusRequest status;
  cs::StatusResponse response;
  status.set_ref("upload");
  CHECK(stub->Status(&context, status, &response).error_message() == "rpc error: code = NotFound desc = ingest ref \"upload\": not found");
  cs::ListStatusesResponse statuses;
  CHECK(stub->ListStatuses(&context2, {}, &statuses).ok());
  CHECK(statuses.statuses_size() == 0);
}

TEST_CASE("spans are taken") {
  ServerFixture s;
  grpc::ClientContext context;
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  request.add_resource_spans("bytes");
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse response;
  CHECK(opentelemetry::proto::collector::trace::v1::TraceService::NewStub(s.channel)->Export(&context, request, &response).ok());
}
