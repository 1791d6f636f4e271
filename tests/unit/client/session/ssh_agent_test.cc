#include "client/session/ssh_agent.h"

#include <doctest/doctest.h>
#include <grpcpp/impl/codegen/service_type.h>

using namespace bk;
using namespace bk::client;

namespace {

std::string Request(unsigned char type, std::string_view body = "") {
  std::string out = {0, 0, 0, static_cast<char>(body.size() + 1), static_cast<char>(type)};
  return out.append(body);
}

TEST_CASE("an agent is asked for keys and signatures, and never changed") {  // SRC-055
  AgentFilter filter;
  CHECK(*filter.Pass(Request(11)) == Request(11));
  CHECK(*filter.Pass(Request(13, "data")) == Request(13, "data"));
  for (unsigned char type : {17, 18, 19, 20, 22, 23, 25, 26, 9, 200}) CHECK(*filter.Pass(Request(type, "x")) == "");
  CHECK(filter.TakeRefused() == 10);
  CHECK(filter.TakeRefused() == 0);
}

TEST_CASE("requests in pieces, several at once, and sizes that are none") {
  AgentFilter filter;
  std::string both = Request(19) + Request(13, "abc"), passed;
  for (char c : both) passed += *filter.Pass(std::string(1, c));
  CHECK(passed == Request(13, "abc"));
  CHECK(*filter.Pass(Request(11) + Request(17) + Request(11)) == Request(11) + Request(11));
  CHECK(!filter.Pass(std::string("\xff\xff\xff\xff\x0b", 5)).ok());
  CHECK(!AgentFilter().Pass(std::string(5, '\0')).ok());
}

TEST_CASE("what cannot be forwarded is told at once") {
  auto failure = [](const std::vector<SshAgentSource>& sources) { return Message(MakeSshAgents(sources).status()); };
  CHECK(failure({{"", {"/etc/hostname"}}}) == "failed to convert agent config {default [/etc/hostname] false}: failed to convert agent config for ID: \"default\": failed to parse /etc/hostname: ssh: no key found");
  CHECK(failure({{"x", {"/nothing"}}}).find("failed to convert agent config for ID: \"x\": stat /nothing: no such file or directory") != std::string::npos);
}

}  // namespace
