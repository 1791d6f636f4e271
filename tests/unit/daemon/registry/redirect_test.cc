#include "daemon/registry/redirect.h"

#include <doctest/doctest.h>

namespace bk::registry {
namespace {

GoUrl Url(const char* text) { return *GoUrl::Parse(text); }

TEST_CASE("credentials stay with scheme, host and port; http may become https") {  // hostile 41
  CHECK(KeepsCredentials(Url("https://a.test/x"), Url("https://a.test:443/y")));
  CHECK(KeepsCredentials(Url("http://a.test/x"), Url("https://a.test/x")));
  CHECK_FALSE(KeepsCredentials(Url("https://a.test/x"), Url("http://a.test/x")));
  CHECK_FALSE(KeepsCredentials(Url("https://a.test/x"), Url("https://b.test/x")));
  CHECK_FALSE(KeepsCredentials(Url("https://a.test/x"), Url("https://sub.a.test/x")));
  CHECK_FALSE(KeepsCredentials(Url("http://a.test:8080/x"), Url("http://a.test:9090/x")));
  CHECK_FALSE(KeepsCredentials(Url("http://a.test:8080/x"), Url("https://a.test:8443/x")));
}

TEST_CASE("a redirect does not lead into this machine from outside, nor to metadata services") {  // hostile 41
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "0x7f.1", "2130706433"}) {
    CAPTURE(address);
    CHECK(absl::IsPermissionDenied(CheckRedirectAddress(address, false)));
    CHECK(CheckRedirectAddress(address, true).ok());
  }
  for (const char* address : {"169.254.169.254", "169.254.0.1", "fe80::1%eth0", "febf::1", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200"}) {
    CAPTURE(address);
    CHECK(absl::IsPermissionDenied(CheckRedirectAddress(address, true)));
  }
  for (const char* address : {"10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1", "example.com"}) {
    CAPTURE(address);
    CHECK(CheckRedirectAddress(address, false).ok());
  }
  CHECK(absl::IsPermissionDenied(NextHop(Url("http://a.test/"), "http://localhost:5000/x", false).status()));
  CHECK(NextHop(Url("http://localhost/"), "http://localhost:5000/x", true).ok());
}

TEST_CASE("locations are seen from where they were said; only http and https count") {
  CHECK(NextHop(Url("http://a.test/dir/x?q"), "../y", false)->str() == "http://a.test/y");
  CHECK(NextHop(Url("http://a.test/dir/x"), "//b.test/z", false)->str() == "http://b.test/z");
  for (const char* location : {"file:///etc/passwd", "ftp://a.test/x", "gopher://a.test", "unix:///run/x"}) {
    CAPTURE(location);
    CHECK(Message(NextHop(Url("http://a.test/"), location, false).status()).find("unsupported protocol scheme") != std::string::npos);
  }
}

TEST_CASE("shown URLs have no user, password or query") {
  CHECK(ShownUrl("https://u:p@a.test/x?sig=1#f") == "https://a.test/x");
  CHECK(ShownUrl("https://a.test/x@y") == "https://a.test/x@y");
  CHECK(ShownUrl("https://u:p@a.test?x=1") == "https://a.test");
}

}  // namespace
}  // namespace bk::registry
