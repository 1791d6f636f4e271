// What becomes of a result: image, oci, docker, local, tar. One row each in daemon/exporter/table.cc.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "daemon/cache/ref.h"
#include "daemon/session/session.h"

namespace bk::exporter {

// The result of a frontend: one ref, or one a platform, with metadata ("containerimage.config[/PLATFORM]", "refs.platforms", …).
struct Result {
  cache::ImmutablePtr ref;                          // single result; null: empty tree
  std::map<std::string, cache::ImmutablePtr> refs;  // by platform id
  bool is_map = false;
  std::map<std::string, std::string> metadata;
};

struct ExportContext {
  std::string session_id;  // of the client that asked
  std::string exporter_id;  // "" for the first of old clients; index text otherwise ("0", "1", …)
  cache::FetchContext fetch;
  int compatibility_version = 30;  // below 30: Docker's media types by default (trap 20)
};

// What an export made; it has reached its target when it is returned.
struct ExportOutcome {
  std::map<std::string, std::string> response;  // "containerimage.digest", "containerimage.config.digest", "image.name", …
  std::vector<Descriptor> descriptors;          // what was made (for history)
};

class ExporterInstance {
 public:
  virtual ~ExporterInstance() = default;
  virtual std::string Name() const = 0;  // progress text: "exporting to image"
  virtual std::string Type() const = 0;  // "image", "oci", …
  virtual absl::StatusOr<ExportOutcome> Export(const CancelToken& cancel, const Result& result, const ExportContext& context) = 0;
  // The compression that this exporter asks of layers.
  virtual CompressionChoice Compression() const = 0;
};

class Exporter {
 public:
  virtual ~Exporter() = default;
  // Checks attributes; the reference's error texts.
  virtual absl::StatusOr<std::unique_ptr<ExporterInstance>> Resolve(const std::map<std::string, std::string>& attrs) = 0;
};

}  // namespace bk::exporter
