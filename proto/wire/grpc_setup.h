// Settings that every channel and server of ours shares: 16 MiB messages both ways, as the reference's.
#pragma once

#include <grpcpp/grpcpp.h>

namespace bk::wire {

inline constexpr int kMaxMessageBytes = 16 << 20;

// Keeps gRPC alive for the process's life: the last channel's end would otherwise wait for its shutdown.
void HoldGrpc();
grpc::ChannelArguments ChannelArguments();
void ConfigureServer(grpc::ServerBuilder& builder);

}  // namespace bk::wire
