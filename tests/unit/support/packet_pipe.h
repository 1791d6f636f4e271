// A file-transfer stream whose other end a test serves on a thread of its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "base/guarded.h"
#include "proto/fsutil/stream.h"

namespace bk::testing {

class PacketPipe : public fsutil::Stream {
 public:
  using Serve = std::function<absl::Status(fsutil::Stream&)>;
  // `serve` gets the other end; what it returns is the status of the call.
  explicit PacketPipe(Serve serve) : shared_(std::make_shared<Shared>()) {
    thread_ = std::thread([shared = shared_, serve = std::move(serve)] {
      End end(shared.get());
      absl::Status status = serve(end);
      shared->to_client.Change([&](Lane& lane) {
        lane.ended = true;
        lane.status = status;
      });
    });
  }
  ~PacketPipe() override {
    Cancel();
    thread_.join();
  }
  absl::Status Send(const fsutil::Packet& packet) override { return Push(shared_->to_server, packet); }
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override { return Pop(shared_->to_client, packet); }
  absl::Status Finish() override {
    shared_->to_server.Change([](Lane& lane) { lane.ended = true; });
    return absl::OkStatus();
  }
  void Cancel() override {
    shared_->to_server.Change([](Lane& lane) { lane.broken = true; });
    shared_->to_client.Change([](Lane& lane) { lane.broken = true; });
  }

 private:
  struct Lane {
    std::deque<fsutil::Packet> packets;
    bool ended = false, broken = false;
    absl::Status status;
  };
  struct Shared {
    Guarded<Lane> to_client, to_server;
  };
  class End : public fsutil::Stream {
   public:
    explicit End(Shared* shared) : shared_(shared) {}
    absl::Status Send(const fsutil::Packet& packet) override { return Push(shared_->to_client, packet); }
    absl::StatusOr<bool> Receive(fsutil::Packet& packet) override { return Pop(shared_->to_server, packet); }
    absl::Status Finish() override { return absl::OkStatus(); }
    void Cancel() override {
      shared_->to_server.Change([](Lane& lane) { lane.broken = true; });
    }

   private:
    Shared* shared_;
  };
  static absl::Status Push(Guarded<Lane>& lane, const fsutil::Packet& packet) {
    return lane.Change([&](Lane& l) -> absl::Status {
      if (l.broken) return Cancelled("context canceled");
      l.packets.push_back(packet);
      return absl::OkStatus();
    });
  }
  static absl::StatusOr<bool> Pop(Guarded<Lane>& lane, fsutil::Packet& packet) {
    return lane.WaitThen([](Lane& l) { return !l.packets.empty() || l.ended || l.broken; },
                         [&](Lane& l) -> absl::StatusOr<bool> {
                           if (l.broken) return Cancelled("context canceled");
                           if (l.packets.empty()) {
                             if (!l.status.ok()) return l.status;
                             return false;
                           }
                           packet = std::move(l.packets.front());
                           l.packets.pop_front();
                           return true;
                         });
  }

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace bk::testing
