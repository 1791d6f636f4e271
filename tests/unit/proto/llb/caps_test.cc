// The capability ids are the contract's (tests/wire/caps.tsv), in its spelling (trap 9).
#include "proto/llb/caps.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

using namespace bk;

namespace {

// Ids of one kind ("llb", "frontend") that the contract says are advertised.
std::set<std::string> Contract(const std::string& kind) {
  std::set<std::string> ids;
  std::ifstream in("tests/wire/caps.tsv");
  for (std::string line; std::getline(in, line);) {
    std::istringstream cells(line);
    std::string first, id;
    std::getline(cells, first, '\t');
    std::getline(cells, id, '\t');
    if (first == kind) ids.insert(id);
  }
  return ids;
}

}  // namespace

TEST_CASE("the ids of capabilities are those of the contract") {  // RPC-036, INF-034
  std::set<std::string> ops, gateway;
  for (const llb::Capability& capability : llb::LlbCapabilities()) ops.insert(std::string(capability.id));
  for (const llb::Capability& capability : llb::GatewayCapabilities()) gateway.insert(std::string(capability.id));
  CHECK(ops == Contract("llb"));
  CHECK(gateway == Contract("gateway"));
  CHECK(ops.size() == 88);
}

TEST_CASE("a capability that is not built, or not known, is not had") {
  CHECK(llb::HasLlbCapability("exec.mount.bind"));
  CHECK_FALSE(llb::HasLlbCapability("source.git.signatureverify"));
  CHECK_FALSE(llb::HasLlbCapability("file.copy.modestring"));
  CHECK_FALSE(llb::HasLlbCapability(""));
}
