// The devices of the machine that the vectors come from, as files of the Container Device Interface.
#pragma once

#include "base/os/file.h"

namespace bk::golden {

inline constexpr char kVendorDevices[] = R"(# everyone may have them
cdiVersion: 0.6.0
kind: vendor.test/dev
annotations:
  org.mobyproject.buildkit.device.autoallow: true
containerEdits:
  env:
  - VENDOR=test
devices:
- name: one
  containerEdits:
    env: [DEV_ONE=1]
- name: "two"
  containerEdits:
    env: ["DEV_TWO=1"]
)";
inline constexpr char kClosedDevices[] = R"({"cdiVersion": "0.6.0", "kind": "closed.test/dev", "devices": [{"name": "x", "containerEdits": {"env": ["CLOSED=1"],
 "deviceNodes": [{"path": "/dev/mynull", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "permissions": "rw"}]}}]})";

inline absl::Status WriteDevices(const std::string& dir) {
  BK_RETURN_IF_ERROR(os::MakeDirs(dir, 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(dir + "/vendor.yaml", kVendorDevices, 0644));
  return os::WriteFile(dir + "/closed.json", kClosedDevices, 0644);
}

}  // namespace bk::golden
