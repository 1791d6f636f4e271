#include "daemon/app/tcp_socket.h"

#include <doctest/doctest.h>

using bk::app::SplitHostPort;

TEST_CASE("addresses are split as Go's net does") {
  auto split = [](const char* text) {
    auto out = SplitHostPort(text);
    return out.ok() ? out->host + " " + out->port : bk::Message(out.status());
  };
  CHECK(split("127.0.0.1:1234") == "127.0.0.1 1234");
  CHECK(split(":1234") == " 1234");
  CHECK(split("host:") == "host ");
  CHECK(split("host:http") == "host http");
  CHECK(split("[::1]:80") == "::1 80");
  CHECK(split("[fe80::1%eth0]:80") == "fe80::1%eth0 80");
  CHECK(split("") == "address : missing port in address");
  CHECK(split("host") == "address host: missing port in address");
  CHECK(split("::1:80") == "address ::1:80: too many colons in address");
  CHECK(split("[::1]") == "address [::1]: missing port in address");
  CHECK(split("[::1]80:") == "address [::1]80:: missing port in address");
  CHECK(split("[::1]:80:90") == "address [::1]:80:90: too many colons in address");
  CHECK(split("[::1:80") == "address [::1:80: missing ']' in address");
  CHECK(split("a]b:80") == "address a]b:80: unexpected bracket in address");
  CHECK(split("a:[80") == "address a:[80: unexpected bracket in address");
}
