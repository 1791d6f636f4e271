#include "client/conn/address.h"

#include <doctest/doctest.h>

using namespace bk::client;

TEST_CASE("unix and tcp addresses become what gRPC dials") {  // CTL-013
  CHECK(ParseAddress("unix:///run/x.sock")->target == "unix:/run/x.sock");
  CHECK(ParseAddress("unix:///run/x.sock")->socket_path == "/run/x.sock");
  CHECK(ParseAddress("tcp://host:1234")->target == "dns:///host:1234");
  CHECK(ParseAddress("tcp://host:1234")->authority == "host:1234");
}

TEST_CASE("addresses of helpers become command lines") {  // CTL-010, CTL-011, CTL-012
  using Words = std::vector<std::string>;
  CHECK(ParseAddress("docker-container://x?context=c")->helper == Words{"docker", "--context=c", "exec", "-i", "x", "buildctl", "dial-stdio"});
  CHECK(ParseAddress("nerdctl-container://x?namespace=n")->helper == Words{"nerdctl", "exec", "--namespace", "n", "-i", "x", "buildctl", "dial-stdio"});
  CHECK(ParseAddress("ssh://u@h:22/s")->helper == Words{"ssh", "-l", "u", "-p", "22", "--", "h", "buildctl", "--addr", "unix:///s", "dial-stdio"});
  CHECK_FALSE(ParseAddress("kube-pod://A").ok());
  CHECK_FALSE(ParseAddress("docker-container://-x").ok());
  CHECK_FALSE(ParseAddress("ssh://u:p@h").ok());
}

TEST_CASE("addresses that cannot be dialled are refused by name") {
  CHECK_FALSE(ParseAddress("ftp://x").ok());
  CHECK_FALSE(ParseAddress("unix://").ok());
  CHECK_FALSE(ParseAddress("").ok());
}
