#include "client/solve/capabilities.h"

#include <doctest/doctest.h>

#include "base/status.h"

using namespace bk;
using namespace bk::client;

TEST_CASE("a definition is not sent to a daemon that lacks what it asks for") {  // golden wire 20a
  pb::Definition definition;
  moby::buildkit::v1::frontend::PongResponse daemon;
  auto refusal = [&] { return Message(CheckCapabilities(definition, daemon)); };
  CHECK(refusal().empty());
  auto& caps = *(*definition.mutable_metadata())["sha256:1"].mutable_caps();
  caps["exec.meta.base"] = true;
  CHECK(refusal() == "requested experimental feature exec.meta.base  is not supported by build server, please update buildkit");
  auto& cap = *daemon.add_llbcaps();
  cap.set_id("exec.meta.base");
  CHECK(refusal() == "requested experimental feature exec.meta.base  has been disabled on the build server");
  cap.set_disabledreasonmsg("no");
  CHECK(refusal() == "requested experimental feature exec.meta.base  has been disabled on the build server: no");
  cap.set_enabled(true);
  CHECK(refusal().empty());
  caps["file.base"] = true;
  CHECK(refusal() == "requested prerelease feature file.base  is not supported by build server (added in BuildKit v0.5.0), please update buildkit");
  caps["exec.unheard.of"] = true;
  CHECK(refusal() == "unknown API capability exec.unheard.of");
}
