#include "client/conn/helper.h"

#include <doctest/doctest.h>

namespace bk::client {
namespace {

TEST_CASE("helper: words that come after its end are waited for") {  // CTL-010
  auto helper = Helper::Start({"sh", "-c", "(sleep 0.2; echo no such container >&2) & exit 3"});
  REQUIRE_MESSAGE(helper.ok(), Message(helper.status()));
  std::string why = (*helper)->WhyBroken();
  CHECK(why.find("has exited with exit status 3") != std::string::npos);
  CHECK(why.ends_with("stderr=no such container"));
}

TEST_CASE("helper: one that runs is not broken, one that is not there is named") {
  auto helper = Helper::Start({"sleep", "100"});
  REQUIRE_MESSAGE(helper.ok(), Message(helper.status()));
  CHECK((*helper)->WhyBroken().empty());
  auto missing = Helper::Start({"no-such-helper"});
  CHECK(Message(missing.status()) == "exec: \"no-such-helper\": executable file not found in $PATH");
}

}  // namespace
}  // namespace bk::client
