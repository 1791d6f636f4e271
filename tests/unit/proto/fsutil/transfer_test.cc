#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/file.h"
#include "proto/fsutil/receiver.h"
#include "proto/fsutil/sender.h"
#include "tests/unit/support/packet_pipe.h"

namespace bk {

namespace {

absl::Status Transfer(const std::string& from, const std::string& to, bool in_place) {
  testing::PacketPipe pipe([&](fsutil::Stream& stream) { return fsutil::SendTree(CancelToken::Never(), stream, from, {}); });
  fsutil::ReceiveOptions options;
  options.in_place = in_place;
  return fsutil::ReceiveTree(CancelToken::Never(), pipe, to, options);
}

std::vector<std::string> Listing(const std::string& root) {
  std::vector<std::string> out;
  absl::Status walked = fsutil::Walk(CancelToken::Never(), root, {}, [&](fsutil::Stat& stat) -> absl::Status {
    out.push_back(StrCat(stat.path(), " ", stat.mode(), " ", stat.uid(), " ", stat.gid(), " ", stat.size(), " ", stat.modtime()));
    return absl::OkStatus();
  });
  CHECK(walked.ok());
  return out;
}

// A receiver that asks for the first file once it is listed, before the list is over.
class EarlyAsker : public fsutil::Stream {
 public:
  std::vector<fsutil::Packet> sent;
  absl::Status Send(const fsutil::Packet& packet) override {
    sent.push_back(packet);
    if (sent.size() == 1) waiting_.push_back(Make(fsutil::Packet::PACKET_REQ));
    if (packet.type() == fsutil::Packet::PACKET_STAT && !packet.has_stat()) waiting_.push_back(Make(fsutil::Packet::PACKET_FIN));
    return absl::OkStatus();
  }
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override {
    if (waiting_.empty()) return false;
    packet = waiting_.front();
    waiting_.pop_front();
    return true;
  }
  bool Pending() override { return !waiting_.empty(); }
  absl::Status Finish() override { return absl::OkStatus(); }
  void Cancel() override {}

 private:
  static fsutil::Packet Make(fsutil::Packet::PacketType type) {
    fsutil::Packet packet;
    packet.set_type(type);
    return packet;
  }
  std::deque<fsutil::Packet> waiting_;
};

}  // namespace

TEST_CASE("a tree follows its source when kinds change: file, directory and link take each other's place") {
  for (bool in_place : {false, true}) {
    os::TempDir from = *os::TempDir::Make("from"), to = *os::TempDir::Make("to"), outside = *os::TempDir::Make("outside");
    auto put = [&](const std::string& path) { REQUIRE(os::WriteFile(from.path() + "/" + path, path, 0644).ok()); };
    for (const char* dir : {"/a", "/a/b", "/c"}) REQUIRE(mkdir((from.path() + dir).c_str(), 0755) == 0);
    for (const char* file : {"a/1", "a/b/1", "a/b/2", "a/c", "c/1", "d"}) put(file);
    chmod((from.path() + "/a/1").c_str(), 0666);
    chmod((from.path() + "/a/c").c_str(), 04755);
    REQUIRE(Transfer(from.path(), to.path(), in_place).ok());
    CHECK(Listing(to.path()) == Listing(from.path()));

    // Below what was a directory nothing may be written through the link that stands there now.
    REQUIRE(os::RemoveAll(from.path() + "/a/b").ok());
    REQUIRE(symlink(outside.path().c_str(), (from.path() + "/a/b").c_str()) == 0);
    REQUIRE(os::RemoveAll(from.path() + "/c").ok());
    put("c");
    REQUIRE(os::RemoveAll(from.path() + "/d").ok());
    REQUIRE(mkdir((from.path() + "/d").c_str(), 0700) == 0);
    for (const char* file : {"a/1", "d/1", "d/2"}) put(file);
    REQUIRE(Transfer(from.path(), to.path(), in_place).ok());
    CHECK(Listing(to.path()) == Listing(from.path()));
    CHECK(Listing(outside.path()).empty());
    CHECK(*os::ReadFile(to.path() + "/d/2") == "d/2");
  }
}

TEST_CASE("a file that is asked for while the list goes on is sent before the list ends") {
  os::TempDir from = *os::TempDir::Make("from");
  for (const char* name : {"/a", "/b", "/c"}) REQUIRE(os::WriteFile(from.path() + name, "data", 0644).ok());
  EarlyAsker stream;
  REQUIRE(fsutil::SendTree(CancelToken::Never(), stream, from.path(), {}).ok());
  std::vector<int> types;
  for (const fsutil::Packet& packet : stream.sent) types.push_back(packet.type());
  using P = fsutil::Packet;
  CHECK(types == std::vector<int>{P::PACKET_STAT, P::PACKET_DATA, P::PACKET_DATA, P::PACKET_STAT, P::PACKET_STAT, P::PACKET_STAT, P::PACKET_FIN});
}

}  // namespace bk
