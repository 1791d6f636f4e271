// Packets between two ends in memory, recorded; trees built from a case's nodes; Stats as the cases write them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "proto/fsutil/stream.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::wire {

// One direction.
struct Channel {
  struct State {
    std::deque<fsutil::Packet> queue;
    bool ended = false, broken = false;
  };
  Guarded<State> state;
  std::vector<fsutil::Packet> sent;  // everything; read when the transfer is over
  void End();
  void Break();
};

class PipeStream : public fsutil::Stream {
 public:
  PipeStream(Channel* out, Channel* in) : out_(out), in_(in) {}
  std::function<void(const fsutil::Packet&)> before_send;  // may be null
  absl::Status Send(const fsutil::Packet& packet) override;
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override;
  absl::Status Finish() override;
  void Cancel() override;

 private:
  Channel* out_;
  Channel* in_;
};

absl::Status MakeTree(const std::string& root, const Json& nodes);
Json StatJson(const fsutil::Stat& stat);  // attributes always as {"b64": …}
// Brings a case's attributes into that form, wherever they are.
void NormalizeAttributes(Json& value);
// A packet as the cases write it (bytes as {"text"} or {"b64"}).
Json PacketJson(const fsutil::Packet& packet);
// Text, or {"b64": …} for what is not UTF-8.
Json TextOrBase64(const std::string& bytes);

}  // namespace bk::golden::wire
