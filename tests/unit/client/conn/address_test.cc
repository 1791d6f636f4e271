#include "client/conn/address.h"

#include <doctest/doctest.h>

using namespace bk::client;

TEST_CASE("unix and tcp addresses become what gRPC dials") {  // CTL-013
  CHECK(ParseAddress("unix:///run/x.sock")->target == "unix:/run/x.sock");
  CHECK(ParseAddress("unix:///run/x.sock")->socket_path == "/run/x.sock");
  CHECK(ParseAddress("tcp://host:1234")->target == "dns:///host:1234");
  CHECK(ParseAddress("tcp://host:1234")->authority == "host:1234");
}

TEST_CASE("addresses that cannot be dialled are refused by name") {
  CHECK(ParseAddress("docker-container://x").status().code() == absl::StatusCode::kUnimplemented);
  CHECK(ParseAddress("kube-pod://x").status().message().find("kube-pod") != absl::string_view::npos);
  CHECK_FALSE(ParseAddress("ftp://x").ok());
  CHECK_FALSE(ParseAddress("unix://").ok());
  CHECK_FALSE(ParseAddress("").ok());
}
