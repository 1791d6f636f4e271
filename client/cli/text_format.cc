#include "client/cli/text_format.h"

#include "base/log.h"

namespace bk::client {
absl::StatusOr<bool> WantsJson(const flags::Values& values) {
  std::string format = values.String("format");
  if (format.empty()) return false;
  if (values.Bool("verbose")) log::Debug("Ignoring --verbose");
  if (format == "json" || format == "{{json .}}") return true;
  return Unimplemented("--format with the template ", Quote(format), " is not built yet (use json)");
}

std::string WithoutHtmlEscapes(std::string_view json) {
  std::string out;
  for (size_t i = 0; i < json.size(); i++) {
    if (json[i] != '\\') {
      out += json[i];
      continue;
    }
    std::string_view escape = json.substr(i, 6);
    char plain = escape == "\\u003c" ? '<' : escape == "\\u003e" ? '>' : escape == "\\u0026" ? '&' : '\0';
    if (plain != 0) {
      out += plain;
      i += 5;
    } else {
      out += json.substr(i, 2);  // the escaped character may be a backslash
      i++;
    }
  }
  return out;
}

}  // namespace bk::client
