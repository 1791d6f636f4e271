#include "daemon/exporter/table.h"

#include "base/log.h"
#include "base/os/file.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/image_writer.h"

namespace bk::exporter {
namespace {

struct ExporterRow {
  const char* name;
  const char* what;
  std::unique_ptr<Exporter> (*make)(const ExporterParts& parts);
};

// Every exporter there is; docs/exporters.md has the same order.
constexpr ExporterRow kExporters[] = {
    {"image", "keep an image by name and push it to registries", &MakeImageExporter},
    {"oci", "send an OCI layout to the client, as a tar archive or blob by blob", &MakeOciExporter},
    {"docker", "send an archive that `docker load` reads", &MakeDockerExporter},
    {"local", "write the result's files to a directory of the client", &MakeLocalExporter},
    {"tar", "send the result's files as a tar archive", &MakeTarExporter},
};

}  // namespace

std::map<std::string, std::string> TransferHeaders(const ExportContext& context, const std::map<std::string, std::string>& response) {
  std::map<std::string, std::string> headers;
  headers["buildkit-attachable-exporter-id"] = context.exporter_id.empty() ? "0" : context.exporter_id;
  for (const auto& [key, value] : response) headers["exporter-md-" + key] = value;
  return headers;
}

Exporters MakeExporters(const ExporterParts& parts) {
  if (parts.leases != nullptr) {
    if (absl::Status dropped = parts.leases->DropAll(kHoldPrefix); !dropped.ok()) log::Warning(StrCat("drop leases of earlier exports: ", Message(dropped)));
  }
  if (!parts.temp_dir.empty()) {
    if (absl::Status made = os::MakeDirs(parts.temp_dir, 0700); !made.ok()) log::Warning(Message(made));
  }
  Exporters out;
  for (const ExporterRow& row : kExporters) out[row.name] = row.make(parts);
  return out;
}

}  // namespace bk::exporter
