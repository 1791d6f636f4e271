// A daemon that only takes sessions: tests call the client's services as the daemon would.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/create_channel_posix.h>

#include <set>
#include <thread>

#include "base/guarded.h"
#include "base/os/file.h"
#include "client/session/session.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/tunnel.h"

namespace bk::client {

class InnerDaemon : public moby::buildkit::v1::Control::Service {
 public:
  InnerDaemon() : directory_(*os::TempDir::Make("inner")) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + directory_.path() + "/s", grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~InnerDaemon() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  Connection Connect() const { return Connection(*ParseAddress("unix://" + directory_.path() + "/s")); }

  grpc::Status Session(grpc::ServerContext* context, grpc::ServerReaderWriter<moby::buildkit::v1::BytesMessage, moby::buildkit::v1::BytesMessage>* stream) override {
    auto ends = *wire::MakeTunnel();
    grpc::ChannelArguments arguments = wire::ChannelArguments();
    auto channel = grpc::CreateCustomInsecureChannelFromFd("localhost", ends.grpc_end.Release(), arguments);
    state_.Change([&](State& s) {
      s.channel = channel;
      for (const auto& [key, value] : context->client_metadata()) {
        if (key == "x-docker-expose-session-grpc-method") s.methods.insert(std::string(value.data(), value.size()));
      }
    });
    moby::buildkit::v1::BytesMessage in, out;
    wire::Pump(
        ends.pump_end.get(), [&](std::string_view bytes) { return out.set_data(bytes.data(), bytes.size()), stream->Write(out); },
        [&](std::string& bytes) { return stream->Read(&in) && (bytes = in.data(), true); }, [&] {});
    return grpc::Status::OK;
  }

  // The channel of the session; blocks until there is one.
  std::shared_ptr<grpc::Channel> channel() {
    return state_.WaitThen([](State& s) { return s.channel != nullptr; }, [](State& s) { return std::exchange(s.channel, nullptr); });
  }
  std::set<std::string> methods() const {
    return state_.With([](const State& s) { return s.methods; });
  }

 private:
  struct State {
    std::shared_ptr<grpc::Channel> channel;
    std::set<std::string> methods;
  };
  os::TempDir directory_;
  Guarded<State> state_;
  std::unique_ptr<grpc::Server> server_;
};

// A session that runs while this lives.
class RunningSession {
 public:
  explicit RunningSession(InnerDaemon& daemon, std::function<void(Session&)> offer) : connection_(daemon.Connect()) {
    offer(session_);
    thread_ = std::thread([this] { status_ = session_.Run(CancelToken::Never(), connection_); });
  }
  ~RunningSession() { (void)End(); }
  absl::Status End() {
    session_.Close();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  Connection connection_;
  Session session_;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace bk::client
