#include "client/cli/error_report.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/digest.h"
#include "base/source_snippet.h"
#include "client/progress/terminal.h"

namespace bk::client {
namespace {

using Json = nlohmann::json;

constexpr char kSourceDetail[] = "errdefs.Source";
constexpr char kPolicyDetail[] = "policysession.DecisionResponse";

int LineOf(const Json& range, const char* end) {
  auto it = range.find(end);
  if (it == range.end() || !it->is_object()) return 0;
  return it->value("line", 0);
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
    return RenderSnippet(json["info"].value("filename", ""), *data, ranges);
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

std::string HintFor(const absl::Status& status) {
  std::string text = Message(status);
  if (text.find("Error while dialing") == std::string::npos) return "";
  return "hint: no daemon answers there: start one with `buildkitd`, build without one with `buildctl --daemonless build …`, or name another one with --addr or BUILDKIT_HOST\n";
}

void PrintError(std::FILE* out, const absl::Status& status) {
  Print(out, ErrorReport(status));
  if (isatty(fileno(out)) != 0) Print(out, HintFor(status));
}

}  // namespace bk::client
