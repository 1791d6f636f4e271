#include "daemon/ops/file/mode_text.h"

#include <doctest/doctest.h>

namespace bk::ops::file {
namespace {

unsigned Changed(const char* text, unsigned mode, bool dir = false) {
  auto parsed = ModeText::Parse(text);
  return parsed.ok() ? parsed->Apply(mode, dir) : 0xffff;
}

TEST_CASE("symbolic modes as chmod understands them") {
  CHECK(Changed("u+x", 0644) == 0744);
  CHECK(Changed("+x", 0644) == 0755);
  CHECK(Changed("go-w", 0666) == 0644);
  CHECK(Changed("a=r", 0777) == 0444);
  CHECK(Changed("u=rwx,go=rx", 0) == 0755);
  CHECK(Changed("g=u", 0640) == 0660);
  CHECK(Changed("u=rwx,go=u-w", 0) == 0755);
  CHECK(Changed("u+s", 0755) == 04755);
  CHECK(Changed("g+s,o-x", 0755) == 02754);
  CHECK(Changed("+t", 0777) == 01777);
  CHECK(Changed("u=rw", 04755) == 0655);
  CHECK(Changed("0640", 0777) == 0640);
  CHECK(Changed("4755", 0) == 04755);
}

TEST_CASE("X gives execution to directories and to what somebody may execute already") {
  CHECK(Changed("a+X", 0644) == 0644);
  CHECK(Changed("a+X", 0744) == 0755);
  CHECK(Changed("a+X", 0644, true) == 0755);
  CHECK(Changed("=rw,+X", 0755) == 0777);
}

TEST_CASE("wrong modes are refused") {
  for (const char* text : {"", "u", "u=q", "rwx", "9", "077777", "u+x,", "+x go"}) CHECK(Changed(text, 0) == 0xffff);
}

}  // namespace
}  // namespace bk::ops::file
