#include "client/cli/text_format.h"

#include "base/log.h"
#include "client/progress/terminal.h"

namespace bk::client {

absl::StatusOr<std::optional<go_template::Template>> ReadFormat(const flags::Values& values) {
  std::string format = values.String("format");
  if (format.empty()) return std::nullopt;
  if (values.Bool("verbose")) log::Debug("Ignoring --verbose");
  BK_TRY(auto parsed, go_template::Template::Parse(format == "json" ? "{{json .}}" : format));
  return parsed;
}

absl::Status PrintValue(const go_template::Template& format, const go_template::Value& value) {
  std::string out;
  absl::Status status = format.Execute(value, out);
  Print(stdout, status.ok() ? out + "\n" : out);
  return status;
}

}  // namespace bk::client
