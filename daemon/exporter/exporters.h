// Makers of the single exporters, as table.cc lists them. Internal to daemon/exporter.
#pragma once

#include <memory>

#include "daemon/exporter/table.h"

namespace bk::exporter {

std::unique_ptr<Exporter> MakeImageExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> MakeOciExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> MakeDockerExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> MakeLocalExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> MakeTarExporter(const ExporterParts& parts);

// Headers of a transfer to the client: which exporter, and the answers so far for those that write files.
std::map<std::string, std::string> TransferHeaders(const ExportContext& context, const std::map<std::string, std::string>& response);

}  // namespace bk::exporter
