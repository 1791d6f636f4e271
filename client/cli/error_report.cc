#include "client/cli/error_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/digest.h"
#include "client/progress/terminal.h"

namespace bk::client {
namespace {

using Json = nlohmann::json;

constexpr char kSourceDetail[] = "errdefs.Source";
constexpr char kPolicyDetail[] = "policysession.DecisionResponse";
constexpr char kRule[] = "--------------------\n";

struct LineRange {
  int first, last;
};

int LineOf(const Json& range, const char* end) {
  auto it = range.find(end);
  if (it == range.end() || !it->is_object()) return 0;
  return it->value("line", 0);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines(1);
  for (char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}

std::string Render(const std::string& name, const std::vector<std::string>& lines, const std::vector<LineRange>& ranges) {
  int count = static_cast<int>(lines.size()), start = ranges[0].first, end = 0;
  for (const LineRange& r : ranges) {
    start = std::min(start, r.first);
    end = std::max(end, r.last);
  }
  if (start > count || start < 1) return "";
  end = std::min(end, count);
  std::string out = StrCat(name, ":", start, "\n", kRule);
  int around = end == start ? 4 : 2;  // neighbours to show
  for (int shown = 0; shown < around; shown++) {
    if (start > 1) start--, shown++;
    if (end != count) end++, shown++;
  }
  for (int line = start; line <= end; line++) {
    bool blamed = std::any_of(ranges.begin(), ranges.end(), [&](const LineRange& r) { return r.first <= line && line <= r.last; });
    char number[16];
    std::snprintf(number, sizeof number, " %3d | ", line);
    out += StrCat(number, blamed ? ">>>" : "   ", " ", lines[static_cast<size_t>(line - 1)], "\n");
  }
  return out + kRule;
}

// Why a source policy refused, one line a reason.
std::string DenyReasons(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  std::string out;
  if (!json.is_object() || !json.contains("denyMessages") || !json["denyMessages"].is_array()) return out;
  for (const Json& reason : json["denyMessages"]) {
    if (!reason.is_object() || !reason.contains("message") || !reason["message"].is_string()) continue;
    std::string message = reason["message"].get<std::string>();
    if (!message.empty()) out += StrCat("policy deny: ", message, "\n");
  }
  return out;
}

}  // namespace

std::string SourceSnippet(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("info") || !json["info"].is_object()) return "";
  try {
    std::vector<LineRange> ranges;
    for (const Json& range : json.value("ranges", Json::array())) {
      int first = LineOf(range, "start");
      ranges.push_back({first, std::max(first, LineOf(range, "end"))});
    }
    auto data = Base64Decode(json["info"].value("data", ""));
    if (ranges.empty() || !data.ok()) return "";
    return Render(json["info"].value("filename", ""), Lines(*data), ranges);
  } catch (const Json::exception&) {
    return "";  // values of other types than the contract's
  }
}

std::string ErrorReport(const absl::Status& status) {
  std::string snippets, reasons;
  std::vector<ErrorDetail> details = Details(status);
  for (auto detail = details.rbegin(); detail != details.rend(); ++detail) {  // in the order of the wire
    if (detail->type == kSourceDetail) snippets += SourceSnippet(detail->json);
    if (detail->type == kPolicyDetail) reasons += DenyReasons(detail->json);
  }
  return StrCat(snippets, reasons, "error: ", Message(status), "\n");
}

void PrintError(std::FILE* out, const absl::Status& status) {
  Print(out, ErrorReport(status));
}

}  // namespace bk::client
