// Every exporter there is, by name: image, oci, docker, local, tar. See exporter.h for the interface.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "daemon/exporter/exporter.h"

namespace bk::content {
class ContentStore;
}
namespace bk::lease {
class Leases;
}
namespace bk::registry {
class Registry;
}

namespace bk::exporter {

// What exporters need of the daemon; borrowed, must outlive them.
struct ExporterParts {
  content::ContentStore* content = nullptr;
  lease::Leases* leases = nullptr;      // holds the blobs of kept images; null: nothing is kept by name
  session::Manager* sessions = nullptr;
  registry::Registry* registry = nullptr;
  std::string temp_dir;  // for mounts and rewritten layers; "" = $TMPDIR
};

using Exporters = std::map<std::string, std::unique_ptr<Exporter>>;
Exporters MakeExporters(const ExporterParts& parts);

}  // namespace bk::exporter
