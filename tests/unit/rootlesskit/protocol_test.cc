#include "rootlesskit/stage/protocol.h"

#include <doctest/doctest.h>

#include "rootlesskit/stage/report.h"

using namespace bk;
using namespace bk::rootlesskit;

TEST_CASE("packets come out as they went in") {
  Packet network{PacketKind::kNetwork, {"tap0", "10.0.2.100", "10.0.2.2", 24, 65520, {"10.0.2.3", "fd00::3"}}};
  for (const Packet& packet : {Packet{PacketKind::kMapped}, Packet{PacketKind::kStart}, network, Packet{PacketKind::kNetwork}}) {
    auto decoded = DecodePacket(EncodePacket(packet));
    REQUIRE_MESSAGE(decoded.ok(), bk::Message(decoded.status()));
    CHECK(*decoded == packet);
  }
}

TEST_CASE("packets that nobody writes are refused") {
  std::string many = "network\n";
  for (int i = 0; i < 20; i++) many += "dns=1.1.1.1\n";
  for (const std::string& text : {std::string(""), std::string("mapped"), std::string("nosuch\n"), std::string("mapped\ndevice=x\n"), std::string("network\nx\n"),
                                  std::string("network\nmtu=x\n"), std::string("network\nnosuch=1\n"), many}) {
    CHECK_FALSE(DecodePacket(text).ok());
  }
}

TEST_CASE("a channel delivers in order, refuses the unexpected and tells its end") {
  auto pair = Channel::MakePair();
  REQUIRE(pair.ok());
  REQUIRE(pair->parent.Send({PacketKind::kMapped}).ok());
  REQUIRE(pair->parent.Send({PacketKind::kNetwork}).ok());
  CHECK(pair->child.Receive(PacketKind::kMapped).ok());
  CHECK(pair->child.Receive(PacketKind::kStart).status().code() == absl::StatusCode::kFailedPrecondition);
  { Channel gone = std::move(pair->parent); }
  CHECK(pair->child.Receive(PacketKind::kStart).status().code() == absl::StatusCode::kUnavailable);
  CHECK(pair->child.Send({PacketKind::kReady}).code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("ends of processes have Go's words and codes") {
  CHECK(DescribeEnd(42 << 8) == "exit status 42");
  CHECK(DescribeEnd(9) == "signal: killed");
  CHECK(DescribeEnd(11 | 0x80) == "signal: segmentation fault (core dumped)");
  CHECK(DescribeEnd(16) == "signal: signal 16");
  CHECK(ExitCodeOfEnd(42 << 8) == 42);
  CHECK(ExitCodeOfEnd(15) == 255);
  CHECK(BracketWords({"sh", "-c", "exit 3"}) == "[sh -c exit 3]");
}

TEST_CASE("the innermost exit code of an error stays through annotation") {
  absl::Status status = WithExitCode(Annotate(WithExitCode(NotFound("x"), ExitCode::kMapTool), "outer"), ExitCode::kNoSubIds);
  CHECK(ExitCodeOf(status) == 101);
  CHECK(ExitCodeOf(NotFound("x")) == 1);
  CHECK(WithExitCode(absl::OkStatus(), ExitCode::kMapTool).ok());
}
