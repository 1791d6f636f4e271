#include "client/cli/text_format.h"

#include <cmath>
#include <cstdlib>
#include <ctime>

#include "base/log.h"

namespace bk::client {
namespace {

constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

struct Scaled {
  double value;
  const char* unit;
};

Scaled Scale(int64_t bytes) {
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::fabs(value) >= 1000 && unit + 1 < std::size(kUnits)) {
    unit++;
    value = static_cast<double>(bytes) / std::pow(1000, static_cast<double>(unit));
  }
  return {value, kUnits[unit]};
}

std::string Print(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string DateTime(const google::protobuf::Timestamp& time, const char* format) {
  std::time_t seconds = time.seconds();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  std::string out = text;
  if (time.nanos() == 0) return out;
  std::snprintf(text, sizeof text, ".%09d", time.nanos());
  std::string fraction = text;
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return out + fraction;
}

}  // namespace

std::string SizeText(int64_t bytes) {
  Scaled scaled = Scale(bytes);
  return Print(scaled.unit == kUnits[0] ? "%.0f" : "%.2f", scaled.value) + scaled.unit;
}

std::string ExactSizeText(int64_t bytes) {
  Scaled scaled = Scale(bytes);
  // The shortest text that reads back as the same number.
  std::string text;
  for (int digits = 1; digits <= 17; digits++) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, scaled.value);
    text = buffer;
    if (std::strtod(buffer, nullptr) == scaled.value && text.find('e') == std::string::npos) break;
  }
  return text + scaled.unit;
}

std::string TimeText(const google::protobuf::Timestamp& time) { return DateTime(time, "%Y-%m-%d %H:%M:%S") + " +0000 UTC"; }
std::string JsonTimeText(const google::protobuf::Timestamp& time) { return DateTime(time, "%Y-%m-%dT%H:%M:%S") + "Z"; }

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
