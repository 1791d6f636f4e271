#include "daemon/llb/load/device_check.h"

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "daemon/llb/entitlements.h"

namespace bk::llb {
namespace {

constexpr char kFile[] = R"(cdiVersion: 0.6.0
kind: vendor.test/gpu
devices:
- name: free
  annotations: {org.mobyproject.buildkit.device.autoallow: true}
  containerEdits: {env: [A=1]}
- name: a
  containerEdits: {env: [A=1]}
- name: b
  containerEdits: {env: [A=1]}
)";

struct Bench {
  Bench() : temp(*os::TempDir::Make("devices-")) { REQUIRE(os::WriteFile(temp.path() + "/v.yaml", kFile, 0644).ok()); }
  // The names that a step gets, or the error.
  std::string Check(const std::vector<std::string>& requested, const std::vector<std::string>& asked, bool optional = false) {
    cdi::Registry registry({temp.path()}, {});
    auto granted = GrantEntitlements(requested, {"device"});
    if (!granted.ok()) return Message(granted.status());
    pb::ExecOp op;
    for (const std::string& name : asked) {
      op.add_cdidevices()->set_name(name);
      op.mutable_cdidevices()->rbegin()->set_optional(optional);
    }
    absl::Status status = CheckDevices(op, *granted, &registry);
    if (!status.ok()) return Message(status);
    std::string out;
    for (const pb::CDIDevice& device : op.cdidevices()) out += (out.empty() ? "" : " ") + device.name();
    return out;
  }
  os::TempDir temp;
};

TEST_CASE("a step gets the devices that were granted, by whole name, class or alias") {  // EXE-074
  Bench bench;
  CHECK(bench.Check({}, {"vendor.test/gpu=free"}) == "vendor.test/gpu=free");
  CHECK(bench.Check({}, {"vendor.test/gpu=a"}) == "device vendor.test/gpu=a is requested by the build but not allowed");
  CHECK(bench.Check({}, {"vendor.test/gpu=*"}) == "devices vendor.test/gpu=a, vendor.test/gpu=b are requested by the build but not allowed");
  CHECK(bench.Check({"device=vendor.test/gpu=a"}, {"vendor.test/gpu"}) == "vendor.test/gpu=a");
  CHECK(bench.Check({"device=vendor.test/gpu=*"}, {"vendor.test/gpu=b", "vendor.test/gpu=a"}) == "vendor.test/gpu=b vendor.test/gpu=a");
  CHECK(bench.Check({"device=vendor.test/gpu=b,alias=mine"}, {"mine"}) == "vendor.test/gpu=b");
  CHECK(bench.Check({"device"}, {"mine", "vendor.test/gpu=a"}) == "mine vendor.test/gpu=a");  // looked for when the step runs
}

TEST_CASE("devices that are not there fail the build unless they are optional") {  // EXE-072
  Bench bench;
  CHECK(bench.Check({}, {"nosuch"}) == "required device \"nosuch\" is not registered");
  CHECK(bench.Check({}, {"nosuch"}, true) == "");
  CHECK(bench.Check({}, {"vendor.test/gpu=a"}, true) == "device vendor.test/gpu=a is requested by the build but not allowed");
  CHECK(bench.Check({"device=nosuch"}, {"vendor.test/gpu=free"}) == "required device \"nosuch\" is not registered");
}

TEST_CASE("grants that make no sense are refused") {
  Bench bench;
  CHECK(bench.Check({"device=a,b"}, {}) == "invalid device config \"b\"");
  CHECK(bench.Check({"device=a,b=c"}, {}) == "unknown device config key \"b\"");
  CHECK(bench.Check({"devices"}, {}) == "unknown entitlement devices");
  CHECK(bench.Check({"network.host=x"}, {}) == "unknown entitlement network.host=x");
  CHECK(Message(GrantEntitlements({"device=x"}, {}).status()) == "granting entitlement device is not allowed by build daemon configuration");
}

}  // namespace
}  // namespace bk::llb
