#include "daemon/control/convert.h"

#include <doctest/doctest.h>

using namespace bk;
using namespace bk::control;

namespace {

api::SolveRequest Minimal() {
  api::SolveRequest request;
  request.set_ref("r");
  return request;
}

}  // namespace

TEST_CASE("an absent definition is not an empty one") {
  api::SolveRequest request = Minimal();
  CHECK(FromWire(request)->definition == nullptr);
  request.mutable_definition();
  CHECK(FromWire(request)->definition != nullptr);
}

TEST_CASE("fields of old clients become those of new ones") {
  api::SolveRequest request = Minimal();
  request.set_exporterdeprecated("image");
  (*request.mutable_exporterattrsdeprecated())["name"] = "a";
  request.mutable_cache()->set_exportrefdeprecated("out");
  request.mutable_cache()->add_importrefsdeprecated("in");
  auto build = FromWire(request);
  REQUIRE(build.ok());
  REQUIRE(build->exporters.size() == 1);
  CHECK(build->exporters[0].type == "image");
  CHECK(build->exporters[0].attrs.at("name") == "a");
  CHECK(build->cache_exports[0].attrs.at("ref") == "out");
  CHECK(build->cache_imports[0].type == "registry");
  request.add_exporters()->set_type("oci");  // new clients send both
  CHECK(FromWire(request)->exporters.size() == 1);
}

TEST_CASE("SOURCE_DATE_EPOCH reaches exporters that have none of their own") {
  api::SolveRequest request = Minimal();
  request.add_exporters()->set_type("image");
  (*request.add_exporters()->mutable_attrs())["source-date-epoch"] = "5";
  (*request.mutable_frontendattrs())["build-arg:SOURCE_DATE_EPOCH"] = "7";
  auto build = FromWire(request);
  CHECK(build->exporters[0].attrs.at("source-date-epoch") == "7");
  CHECK(build->exporters[1].attrs.at("source-date-epoch") == "5");
  (*request.mutable_frontendattrs())["build-arg:SOURCE_DATE_EPOCH"] = "yesterday";
  CHECK_FALSE(FromWire(request)->exporters[0].attrs.contains("source-date-epoch"));
}

TEST_CASE("what is not built is refused by name") {
  auto refused = [](auto change) {
    api::SolveRequest request = Minimal();
    change(request);
    return Message(FromWire(request).status());
  };
  CHECK(refused([](auto& r) { r.mutable_sourcepolicy(); }) == "");
  CHECK(refused([](auto& r) { r.set_enablesessionexporter(true); }) == "session exporters are not built yet");
  CHECK(refused([](auto& r) { r.set_proxynetwork(true); }) == "the proxy network is not built yet");
  CHECK(refused([](auto& r) { r.set_compatibilityversion(20); }) == "compatibility version 20 is not built yet");
  CHECK(refused([](auto& r) { r.set_compatibilityversion(7); }) == "unsupported compatibility-version 7 (supported: [10 20 30])");
  CHECK(refused([](auto& r) { r.set_compatibilityversion(31); }) == "unsupported compatibility-version 31: upgrade buildkit (max supported: 30)");
  CHECK(refused([](auto& r) { r.set_compatibilityversion(30); }) == "");
}
