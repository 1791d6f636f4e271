// frontend.lint: what a build would warn of, and the error that it would end with.
#include <algorithm>

#include "base/source_snippet.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/range_proto.h"
#include "daemon/frontend/dockerfile/lint/linter.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"
#include "proto/llb/go_json_of.h"

namespace bk::dockerfile {
namespace {

constexpr size_t kMaxTextBytes = 4 << 20;

class Collection final : public LintSink {
 public:
  void Found(const Finding& finding) override { findings.push_back(finding); }
  std::vector<Finding> findings;
};

int LineOf(const Finding& finding) { return finding.location.empty() ? 0 : finding.location[0].start.line; }

// All places of an error, sorted, those of one line only once.
Ranges Merged(const absl::Status& error) {
  Ranges all, merged;
  for (const Ranges& ranges : Locations(error)) all.insert(all.end(), ranges.begin(), ranges.end());
  std::stable_sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.start.line < b.start.line; });
  for (const Range& range : all) {
    if (merged.empty() || range.start.line > merged.back().end.line) {
      merged.push_back(range);
    } else {
      merged.back().end.line = std::max(merged.back().end.line, range.end.line);
    }
  }
  return merged;
}

void WriteFinding(GoJsonWriter& out, const Finding& finding) {
  const LintRow& row = RowOf(finding.rule);
  out.BeginObject();
  out.Key("ruleName");
  out.String(row.name);
  WriteText(out, "description", row.description);
  WriteText(out, "url", row.url());
  WriteText(out, "detail", finding.text);
  out.Key("location");
  out.Raw(llb::GoJsonOf(LocationToPb(finding.location)));
  out.EndObject();
}

std::string Json(const std::vector<Finding>& findings, const llb::SourceMap& source, const absl::Status& error) {
  GoJsonWriter out;
  out.BeginObject();
  out.Key("warnings");
  findings.empty() ? out.Null() : out.BeginArray();
  for (const Finding& finding : findings) WriteFinding(out, finding);
  if (!findings.empty()) out.EndArray();
  out.Key("sources");
  out.BeginArray();
  out.Raw(llb::GoJsonOf(SourceInfoOf(source)));
  out.EndArray();
  if (!error.ok()) {
    out.Key("buildError");
    out.BeginObject();
    out.Key("message");
    out.String(Message(error));
    out.Key("location");
    out.Raw(llb::GoJsonOf(LocationToPb(Merged(error))));
    out.EndObject();
  }
  out.EndObject();
  return out.Take();
}

std::string Paragraph(const Finding& finding, const SourceLines& source) {
  const LintRow& row = RowOf(finding.rule);
  std::vector<LineRange> ranges;
  for (const Range& range : finding.location) ranges.push_back({range.start.line, std::max(range.start.line, range.end.line)});
  std::string url = row.url();
  return StrCat("\nWARNING: ", row.name, url.empty() ? "" : " - ", url, "\n", ValidUtf8(finding.text), "\n",
                source.Snippet(ranges));
}

// By line; those without a place first, by name.
void Sort(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    if (a.location.empty() && b.location.empty()) return RowOf(a.rule).name < RowOf(b.rule).name;
    return LineOf(a) < LineOf(b);
  });
}

}  // namespace

absl::StatusOr<SubrequestAnswer> AnswerLint(const ConvertInput& input) {
  Collection found;
  ConvertInput checked = input;
  checked.findings = &found;
  checked.all_stages = input.context->options().target.empty();
  absl::Status error = Convert(checked).status();
  const CancelToken& cancel = input.context->cancel();
  BK_RETURN_IF_ERROR(cancel.Check());
  SubrequestAnswer answer;
  answer["result.statuscode"] = found.findings.empty() && error.ok() ? "0" : "1";
  answer["result.json"] = Json(found.findings, *input.source, error);
  Sort(found.findings);
  std::string& text = answer["result.txt"];
  SourceLines source(input.source->filename, input.source->data);
  for (size_t i = 0; i < found.findings.size(); i++) {
    BK_RETURN_IF_ERROR(cancel.Check());
    text += Paragraph(found.findings[i], source);
    if (text.size() < kMaxTextBytes) continue;
    text += StrCat("\nand ", found.findings.size() - i - 1, " more\n");
    break;
  }
  return answer;
}

}  // namespace bk::dockerfile
