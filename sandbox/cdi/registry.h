// The devices that files in a few directories describe, by their names "vendor.com/class=name" (EXE-071, EXE-072, EXE-075).
//
// A later directory goes before an earlier one; a name that two files of one directory have is nobody's. Files that cannot
// be used are left out, with a warning in the log. Every question looks whether files changed. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "sandbox/cdi/spec_file.h"

namespace bk::cdi {

struct Device {
  std::string name;  // whole
  bool auto_allowed = false;  // no entitlement is needed
  std::map<std::string, std::string> annotations;  // of the file and the device
};

// One that somebody asks for: "vendor/class=name", "vendor/class" (its first device), "vendor/class=*", or the label that
// devices carry as annotation org.mobyproject.buildkit.device.class.
struct Request {
  std::string name;
  bool optional = false;
};

class Registry {
 public:
  // `auto_allowed`: names or kinds beside those whose annotation says so.
  Registry(std::vector<std::string> directories, const std::vector<std::string>& auto_allowed);

  // Sorted by name.
  std::vector<Device> List();
  // Whole names, each once, in the order of `requests`. NotFound `required device "x" is not registered`; one that is optional is
  // left out.
  absl::StatusOr<std::vector<std::string>> Find(const std::vector<Request>& requests);
  // What the devices change in a step; nodes are complete. NotFound for a name that is not there (any more), and for nodes
  // that the host lacks.
  absl::StatusOr<exec::ContainerEdits> EditsOf(const std::vector<std::string>& names);

 private:
  struct Stamp {
    int64_t mtime_ns = 0, size = 0;
    uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct File {
    Stamp stamp;
    std::shared_ptr<const SpecFile> spec;  // null: cannot be used
  };
  struct Entry {
    std::shared_ptr<const SpecFile> file;
    const FileDevice* device = nullptr;
    std::string path;
    size_t priority = 0;
  };
  struct State {
    std::map<std::string, File> files;
    std::map<std::string, Entry> devices;
    std::set<std::string> conflicts;  // told of already
  };
  void Refresh(State& state) const;
  bool IsAutoAllowed(const std::string& name, const std::map<std::string, std::string>& annotations) const;

  const std::vector<std::string> directories_;
  const std::set<std::string> auto_allowed_;
  Guarded<State> state_;
};

}  // namespace bk::cdi
