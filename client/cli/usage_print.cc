#include "client/cli/usage_print.h"

#include "base/status.h"
#include "base/units.h"
#include "client/progress/time_text.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::UsageRecord;

constexpr size_t kIdColumns = 71, kReclaimableColumns = 11;

std::string Padded(std::string text, size_t columns) {
  if (text.size() < columns) text.append(columns - text.size(), ' ');
  return text;
}

std::string Parents(const UsageRecord& record) {
  std::string out;
  for (const std::string& parent : record.parents()) out += (out.empty() ? "" : ";") + parent;
  return out;
}

}  // namespace

void WriteUsageHeader(TabWriter& table) { table.Write("ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\n"); }

void WriteUsageRow(TabWriter& table, const UsageRecord& record) {
  std::string id = record.id() + (record.mutable_() ? "*" : ""), size = FormatSize(record.size()) + (record.shared() ? "*" : "");
  table.Write(StrCat(Padded(id, kIdColumns), "\t", Padded(record.inuse() ? "false" : "true", kReclaimableColumns), "\t", size, "\t\n"));
}

void WriteUsageVerbose(TabWriter& table, const UsageRecord& record) {
  auto line = [&](std::string_view key, std::string_view value) { table.Write(StrCat(key, ":\t", value, "\n")); };
  auto truth = [](bool value) { return value ? "true" : "false"; };
  line("ID", record.id());
  if (record.parents_size() > 0) line("Parents", Parents(record));
  line("Created at", TimeText(record.createdat()));
  line("Mutable", truth(record.mutable_()));
  line("Reclaimable", truth(!record.inuse()));
  line("Shared", truth(record.shared()));
  line("Size", FormatSize(record.size()));
  if (!record.description().empty()) line("Description", record.description());
  line("Usage count", std::to_string(record.usagecount()));
  if (record.has_lastusedat()) line("Last used", TimeText(record.lastusedat()));
  if (!record.recordtype().empty()) line("Type", record.recordtype());
  table.Write("\n");
}

}  // namespace bk::client
