#include "sandbox/oci/ip_address.h"

#include <doctest/doctest.h>

namespace bk::oci {
namespace {

TEST_CASE("addresses are printed in their short form") {
  for (auto [text, want] : std::initializer_list<std::pair<const char*, const char*>>{{"1.2.3.4", "1.2.3.4"},
                                                                                      {"::", "::"},
                                                                                      {"0:0:0:0:0:0:0:1", "::1"},
                                                                                      {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                                                                                      {"1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"},
                                                                                      {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
                                                                                      {"fe80::1%eth0", "fe80::1%eth0"},
                                                                                      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"}}) {
    auto address = ParseIp(text);
    REQUIRE_MESSAGE(address.ok(), text);
    CHECK(address->str() == want);
  }
}

TEST_CASE("what is no address is refused with the reason") {
  for (auto [text, want] : std::initializer_list<std::pair<const char*, const char*>>{{"", "ParseAddr(\"\"): unable to parse IP"},
                                                                                      {"1.2.3", "ParseAddr(\"1.2.3\"): IPv4 address too short"},
                                                                                      {"1.2.3.4.5", "ParseAddr(\"1.2.3.4.5\"): IPv4 address too long"},
                                                                                      {"1..2.3", "ParseAddr(\"1..2.3\"): IPv4 field must have at least one digit (at \".2.3\")"},
                                                                                      {"256.1.1.1", "ParseAddr(\"256.1.1.1\"): IPv4 field has value >255"},
                                                                                      {"1::2::3", "ParseAddr(\"1::2::3\"): multiple :: in address (at \":3\")"},
                                                                                      {"1:2", "ParseAddr(\"1:2\"): address string too short"},
                                                                                      {"fe80::1%", "ParseAddr(\"fe80::1%\"): zone must be a non-empty string"},
                                                                                      {"12345::", "ParseAddr(\"12345::\"): each group must have 4 or less digits (at \"12345::\")"}}) {
    CHECK(Message(ParseIp(text).status()) == want);
  }
}

}  // namespace
}  // namespace bk::oci
