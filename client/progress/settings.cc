#include "client/progress/settings.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/go_parse.h"
#include "base/log.h"
#include "base/status.h"
#include "base/unicode.h"

namespace bk::client {
namespace {

constexpr int kMaxLogLines = 10'000;
constexpr int64_t kMaxRateMs = 3'600'000;

constexpr std::pair<std::string_view, int> kColors[] = {
    {"default", 39},     {"black", 30},      {"blue", 34},       {"cyan", 36},          {"green", 32},      {"magenta", 35},
    {"red", 31},         {"white", 37},      {"yellow", 33},     {"light-black", 90},   {"light-blue", 94}, {"light-cyan", 96},
    {"light-green", 92}, {"light-magenta", 95}, {"light-red", 91}, {"light-white", 97}, {"light-yellow", 93},
};

using Complaints = std::vector<Complaint>;

// The nearest of the 6×6×6 colours of a 256-colour terminal; "" after a complaint.
std::string ColorOfRgb(const std::string& text, Complaints& complaints) {
  auto fields = ParseCsvLine(text);
  if (!fields.ok()) {
    complaints.push_back({StrCat("Could not parse value ", text, " as valid comma-separated RGB color. Ignoring."), Message(fields.status())});
    return "";
  }
  if (fields->size() != 3) {
    complaints.push_back({StrCat("Could not parse value ", text, " as valid RGB color. Ignoring."), "valid RGB color must have three fields"});
    return "";
  }
  int64_t number = 16;
  for (size_t n = 0; n < 3; n++) {
    auto part = ParseInt((*fields)[n]);
    if (!part.ok() || *part < 0 || *part > 255) {
      std::string all = StrCat((*fields)[0], ",", (*fields)[1], ",", (*fields)[2]);
      complaints.push_back({StrCat("A field in BUILDKIT_COLORS appears to contain an RGB value that is not ", part.ok() ? "within the valid range of 0-255: " : "an integer: ", all), ""});
      return "";
    }
    number = number + *part / 43 * (n == 0 ? 36 : n == 1 ? 6 : 1);
  }
  return StrCat("\x1b[38;5;", number, "m");
}

std::string ColorOf(const std::string& text, const std::string& key, Complaints& complaints) {
  std::string name = ToLower(text);
  for (const auto& [known, code] : kColors) {
    if (name == known) return StrCat("\x1b[", code, "m");
  }
  if (text.find(',') != std::string::npos) return ColorOfRgb(text, complaints);
  complaints.push_back({StrCat("Unknown color value found in BUILDKIT_COLORS: ", key, "=", text), "colors must be a name from the pre-defined list or a valid 3-part RGB value"});
  return "";
}

void SetColor(const std::string& field, Settings& settings) {
  size_t equals = field.find('=');
  if (equals == std::string::npos || field.find('=', equals + 1) != std::string::npos) {
    settings.complaints.push_back({StrCat("Could not parse BUILDKIT_COLORS component: ", field), "valid entry must have exactly two fields"});
    return;
  }
  std::string key = ToLower(field.substr(0, equals));
  std::string color = ColorOf(field.substr(equals + 1), key, settings.complaints);
  if (color.empty()) return;
  for (auto [name, setting] : {std::pair("run", &settings.run), {"cancel", &settings.cancel}, {"error", &settings.error}, {"warning", &settings.warning}}) {
    if (key != name) continue;
    *setting = color;
    return;
  }
  settings.complaints.push_back({StrCat("Unknown key found in BUILDKIT_COLORS (expected: run, cancel, error, or warning): ", key), ""});
}

// Fields between colons, with the quotes of comma-separated values.
void SetColors(std::string text, Settings& settings) {
  auto swap_separators = [](std::string& s) {
    for (char& c : s) c = c == ':' ? ',' : c == ',' ? ':' : c;
  };
  swap_separators(text);
  auto fields = ParseCsvLine(text);
  if (!fields.ok()) {
    settings.complaints.push_back({"could not parse BUILDKIT_COLORS. Falling back to defaults.", Message(fields.status())});
    return;
  }
  for (std::string& field : *fields) {
    swap_separators(field);
    SetColor(field, settings);
  }
}

}  // namespace

Settings ReadSettings(const Environment& environment) {
  Settings settings;
  if (auto rate = ParseInt(environment("TTY_DISPLAY_RATE").value_or("")); rate.ok() && *rate > 0) {
    settings.tick_ms = settings.redraw_ms = std::min(*rate, kMaxRateMs);
  }
  settings.cut_names = environment("PROGRESS_NO_TRUNC") == "0";
  if (!environment("NO_COLOR").value_or("").empty()) {  // https://no-color.org; the height of windows is not read then, as in the reference
    settings.run = settings.cancel = settings.error = settings.warning = "";
    return settings;
  }
  if (auto colors = environment("BUILDKIT_COLORS")) SetColors(*colors, settings);
  if (auto lines = ParseInt(environment("BUILDKIT_TTY_LOG_LINES").value_or("")); lines.ok() && *lines > 0) {
    settings.log_lines = static_cast<int>(std::min<int64_t>(*lines, kMaxLogLines));
  }
  return settings;
}

void LogComplaints(const std::vector<Complaint>& complaints) {
  for (const Complaint& complaint : complaints) {
    if (complaint.error.empty()) {
      log::Warning(complaint.message);
    } else {
      log::Warning(complaint.message, {{"error", complaint.error}});
    }
  }
}

std::optional<std::string> ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace bk::client
