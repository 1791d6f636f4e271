#include "proto/wire/grpc_setup.h"

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>

#include <csignal>

namespace bk::wire {

namespace {

// A sender need not wait while the other side works on what came before: a list of 10,000 files fits.
constexpr int kWindowBytes = 1 << 20;

}  // namespace

void HoldGrpc() {
  static const bool held = [] {
    signal(SIGPIPE, SIG_IGN);
    // Debian builds the library so that every lock is entered into a graph.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc_init();
    return true;
  }();
  (void)held;
}

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // Two programs of one host must not share subchannels behind our back.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A build argument or a list of patterns may make long headers (gRPC's default is 8 KiB).
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  return arguments;
}

void ConfigureServer(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
}

}  // namespace bk::wire
