// A file that describes devices (Container Device Interface 0.3 … 1.1), checked: JSON or YAML, no unknown keys.
//
// Values and pure functions; thread-safe. Specification: github.com/cncf-tags/container-device-interface, SPEC.md.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sandbox/oci/container_edits.h"

namespace bk::cdi {

// Device nodes as they are written: what is missing is taken from the host when a step gets them.
struct NodeEdit {
  exec::DeviceNode node;
  std::string host_path;
};
struct Edits {
  exec::ContainerEdits rest;  // all but device nodes
  std::vector<NodeEdit> nodes;
  bool empty() const { return rest.empty() && nodes.empty(); }
};

struct FileDevice {
  std::string name;  // within its kind
  std::map<std::string, std::string> annotations;
  Edits edits;
};
struct SpecFile {
  std::string kind;  // "vendor.com/class"
  std::map<std::string, std::string> annotations;
  Edits edits;  // for every step that has one of the devices
  std::vector<FileDevice> devices;
};

absl::StatusOr<SpecFile> ParseSpecFile(std::string_view text);

// "vendor/class" as both; "" and `kind` if it is not of that form.
std::pair<std::string_view, std::string_view> SplitKind(std::string_view kind);

}  // namespace bk::cdi
