// Sessions over real gRPC: a client's server at the far end of the tunnel, both in this process.
#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>

#include <atomic>
#include <deque>
#include <thread>

#include "base/os/file.h"
#include "daemon/session/connected.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/kept_calls.h"
#include "proto/wire/tunnel.h"
#include "session/secrets.grpc.pb.h"

namespace bk::session {
namespace {

using moby::buildkit::v1::BytesMessage;

// Both directions of Control.Session between two ends in memory.
struct Lane {
  std::deque<std::string> messages;
  bool ended = false;
};

class DaemonStream : public ConnectedSessions::Stream {
 public:
  DaemonStream(Guarded<Lane>* in, Guarded<Lane>* out) : in_(in), out_(out) {}
  bool Read(BytesMessage& message) override {
    return in_->WaitThen([](Lane& lane) { return !lane.messages.empty() || lane.ended; },
                         [&](Lane& lane) {
                           if (lane.messages.empty()) return false;
                           message.set_data(std::move(lane.messages.front()));
                           lane.messages.pop_front();
                           return true;
                         });
  }
  absl::Status Write(const BytesMessage& message) override {
    return out_->Change([&](Lane& lane) -> absl::Status {
      if (lane.ended) return bk::Cancelled("context canceled");
      lane.messages.push_back(message.data());
      return absl::OkStatus();
    });
  }
  void SendHeaders() override {}
  void Cancel() override {
    in_->Change([](Lane& lane) { lane.ended = true; });
    out_->Change([](Lane& lane) { lane.ended = true; });
  }

 private:
  Guarded<Lane>* in_;
  Guarded<Lane>* out_;
};

class Secrets : public moby::buildkit::secrets::v1::Secrets::Service {
 public:
  grpc::Status GetSecret(grpc::ServerContext*, const moby::buildkit::secrets::v1::GetSecretRequest* request, moby::buildkit::secrets::v1::GetSecretResponse* response) override {
    if (request->id() != "known") return grpc::Status(grpc::StatusCode::NOT_FOUND, "secret not found");
    response->set_data("value");
    return grpc::Status::OK;
  }
};

// A connected client with a server of its own, and the daemon's call that serves it.
class Client {
 public:
  Client(ConnectedSessions& sessions, const std::string& id, ConnectedSessions::Headers headers = {}, bool answers = true) : answers_(answers) {
    headers.emplace("x-docker-expose-session-uuid", id);
    headers.emplace("x-docker-expose-session-grpc-method", "/moby.filesync.v1.FileSync/DiffCopy");
    auto made = wire::MakeTunnel();
    REQUIRE(made.ok());
    tunnel_ = std::move(*made);
    if (answers_) {
      grpc::EnableDefaultHealthCheckService(true);
      grpc::ServerBuilder builder;
      wire::ConfigureServer(builder);
      builder.RegisterService(&secrets_);
      server_ = builder.BuildAndStart();
      grpc::AddInsecureChannelFromFd(server_.get(), tunnel_.grpc_end.Release());
    }
    pump_ = std::thread([this] {
      DaemonStream stream(&to_client_, &to_daemon_);
      wire::Pump(
          tunnel_.pump_end.get(),
          [&](std::string_view bytes) {
            BytesMessage message;
            message.set_data(bytes.data(), bytes.size());
            return stream.Write(message).ok();
          },
          [&](std::string& bytes) {
            BytesMessage message;
            if (!stream.Read(message)) return false;
            bytes = message.data();
            return true;
          },
          [&] { stream.Cancel(); });
    });
    call_ = std::thread([this, &sessions, headers] {
      DaemonStream stream(&to_daemon_, &to_client_);
      absl::Status status = sessions.Serve(cancel_.token(), stream, headers);
      result_.Change([&](std::optional<absl::Status>& result) { result = status; });
    });
  }
  ~Client() { Leave(); }
  // The client goes away.
  void Leave() {
    if (!call_.joinable()) return;
    shutdown(tunnel_.pump_end.get(), SHUT_RDWR);
    pump_.join();
    call_.join();
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
  }
  // What the daemon's call returned; empty if it did not in time.
  std::optional<absl::Status> Result(std::chrono::milliseconds timeout) {
    result_.WaitFor(timeout, [](auto& result) { return result.has_value(); });
    return result_.With([](auto& result) { return result; });
  }

 private:
  const bool answers_;
  Secrets secrets_;
  std::unique_ptr<grpc::Server> server_;
  wire::TunnelEnds tunnel_;
  Guarded<Lane> to_client_, to_daemon_;
  CancelSource cancel_;
  Guarded<std::optional<absl::Status>> result_;
  std::thread pump_, call_;
};

size_t OpenFiles() { return os::ListDir("/proc/self/fd")->size(); }

TEST_CASE("a connected client is asked through its tunnel") {  // RPC-043, RPC-046, INF-024
  ConnectedSessions sessions;
  Client client(sessions, "one");
  auto session = sessions.Get(CancelToken::Never(), "one", false);
  REQUIRE(session.ok());
  CHECK(*(*session)->GetSecret(CancelToken::Never(), "known") == "value");
  CHECK(absl::IsNotFound((*session)->GetSecret(CancelToken::Never(), "other").status()));
  CHECK((*session)->Supports("/moby.filesync.v1.FileSync/DiffCopy"));
  CHECK_FALSE((*session)->Supports("/moby.filesync.v1.FileSend/DiffCopy"));
}

TEST_CASE("an id with a prefix is the session behind the colon") {  // RPC-045
  ConnectedSessions sessions;
  Client client(sessions, "one");
  CHECK(sessions.Get(CancelToken::Never(), "prefix:one", false).ok());
  CHECK(absl::IsNotFound(sessions.Get(CancelToken::Never(), "two", true).status()));
}

TEST_CASE("a call in flight fails when the client goes away, and the session is gone") {
  ConnectedSessions sessions;
  std::shared_ptr<Session> session;
  {
    Client client(sessions, "one");
    session = *sessions.Get(CancelToken::Never(), "one", false);
    REQUIRE(session->GetSecret(CancelToken::Never(), "known").ok());
  }
  CHECK(session->gone().cancelled());
  CHECK_FALSE(session->GetSecret(session->gone(), "known").ok());
  CHECK(absl::IsNotFound(sessions.Get(CancelToken::Never(), "one", true).status()));
}

TEST_CASE("a session without an id is no session of the empty id") {
  ConnectedSessions sessions;
  Client client(sessions, "");
  CHECK(absl::IsNotFound(sessions.Get(CancelToken::Never(), "", true).status()));
}

TEST_CASE("a client that answers no health check is given up after the time it asked for") {
  ConnectedSessions sessions;
  Client mute(sessions, "mute", {{"x-buildkit-session-health-custom-timeout", "1000"}}, false);
  auto result = mute.Result(std::chrono::seconds(10));
  REQUIRE(result.has_value());
  CHECK_FALSE(result->ok());
  CHECK(Message(*result).find("failed its health check") != std::string::npos);
}

ConnectedSessions::Headers Returns(const std::string& token, const std::string& time = "30s") { return {{"bk-keep-alive", time}, {"bk-keep-token", token}}; }

TEST_CASE("a session whose client comes back is waited for under its id, and what broke is done again") {
  ConnectedSessions sessions;
  auto first = std::make_unique<Client>(sessions, "one", Returns("t"));
  int calls = 0;
  std::unique_ptr<Client> second;
  std::string value;
  std::thread back;
  absl::Status status = WithSession(CancelToken::Never(), sessions, "one", [&](const std::shared_ptr<Session>& session) -> absl::Status {
    calls++;
    if (calls == 1) {
      first->Leave();
      CHECK(session->gone().cancelled());
      CHECK(sessions.MayReturn("one"));
      CHECK(absl::IsNotFound(sessions.Get(CancelToken::Never(), "one", true).status()));
      back = std::thread([&] { second = std::make_unique<Client>(sessions, "one", Returns("t")); });
      return Unavailable("broken");
    }
    BK_ASSIGN(value, session->GetSecret(CancelToken::Never(), "known"));
    return absl::OkStatus();
  });
  back.join();
  CHECK(status.ok());
  CHECK(calls == 2);
  CHECK(value == "value");
}

TEST_CASE("a session that is away belongs to the client that had it; its time ends") {
  ConnectedSessions sessions;
  { Client first(sessions, "one", Returns("t")); REQUIRE(sessions.Get(CancelToken::Never(), "one", false).ok()); }
  for (const auto& headers : {Returns("other"), ConnectedSessions::Headers()}) {
    Client thief(sessions, "one", headers);
    auto result = thief.Result(std::chrono::seconds(10));
    REQUIRE(result.has_value());
    CHECK(absl::IsPermissionDenied(*result));
  }
  CHECK(sessions.MayReturn("one"));
  CHECK_FALSE(sessions.MayReturn("two"));
  { Client brief(sessions, "brief", Returns("t", "1ns")); REQUIRE(sessions.Get(CancelToken::Never(), "brief", false).ok()); }
  CHECK_FALSE(sessions.MayReturn("brief"));
}

TEST_CASE("a client that comes back before its old connection is known to be dead takes its place") {
  ConnectedSessions sessions;
  Client first(sessions, "one", Returns("t"));
  auto old = *sessions.Get(CancelToken::Never(), "one", false);
  Client second(sessions, "one", Returns("t"));
  CHECK(first.Result(std::chrono::seconds(10)).has_value());
  CHECK(old->gone().cancelled());
  auto now = sessions.Get(CancelToken::Never(), "one", true);
  REQUIRE(now.ok());
  CHECK(*now != old);
  CHECK(*(*now)->GetSecret(CancelToken::Never(), "known") == "value");
}

TEST_CASE("what comes late from an earlier connection does not take the place of a later one, present or away") {
  ConnectedSessions sessions;
  auto numbered = [](const char* number) {
    auto headers = Returns("t");
    headers.emplace(wire::kKeepNumberHeader, number);
    return headers;
  };
  auto turned_away = [&] {
    Client stale(sessions, "one", numbered("1"));
    auto result = stale.Result(std::chrono::seconds(10));
    return result.has_value() && absl::IsFailedPrecondition(*result);
  };
  {
    Client now(sessions, "one", numbered("2"));
    auto session = sessions.Get(CancelToken::Never(), "one", false);
    REQUIRE(session.ok());
    CHECK(turned_away());
    CHECK_FALSE((*session)->gone().cancelled());
  }
  CHECK(turned_away());
  Client next(sessions, "one", numbered("3"));
  CHECK(sessions.Get(CancelToken::Never(), "one", false).ok());
}

TEST_CASE("a client that says nothing of coming back fails at once") {
  ConnectedSessions sessions;
  auto client = std::make_unique<Client>(sessions, "one");
  int calls = 0;
  absl::Status status = WithSession(CancelToken::Never(), sessions, "one", [&](const std::shared_ptr<Session>&) {
    calls++;
    client->Leave();
    return Unavailable("broken");
  });
  CHECK(status == Unavailable("the client's connection broke in the middle of this: broken"));
  CHECK(calls == 1);
}

TEST_CASE("a hundred sessions leave no descriptor open") {
  ConnectedSessions sessions;
  auto visit = [&](int i) {
    Client client(sessions, "s" + std::to_string(i));
    auto session = sessions.Get(CancelToken::Never(), "s" + std::to_string(i), false);
    REQUIRE(session.ok());
    REQUIRE((*session)->GetSecret(CancelToken::Never(), "known").ok());
  };
  for (int i = 0; i < 3; i++) visit(i);  // what gRPC keeps for the process
  size_t before = OpenFiles();
  for (int i = 0; i < 100; i++) visit(i);
  CHECK(OpenFiles() <= before + 4);
}

}  // namespace
}  // namespace bk::session
