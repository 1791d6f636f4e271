#include "daemon/frontend/dockerfile/subrequest/subrequest.h"

#include "base/go_json.h"
#include "daemon/frontend/dockerfile/convert/range_proto.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"
#include "proto/llb/go_json_of.h"

namespace bk::dockerfile {
namespace {

// Every question there is; the first ones are described in this order.
constexpr SubrequestRow kRows[] = {
    {"frontend.outline", "1.0.0", "List all parameters current build target supports", "target", "Target build stage", true, true, &AnswerOutline},
    {"frontend.targets", "1.0.0", "List all targets current build supports", "", "", true, true, &AnswerTargets},
    {"frontend.subrequests.describe", "1.0.0", "List available subrequest types", "", "", false, true, &DescribeSubrequests},
    {"frontend.lint", "1.0.0", "Lint a Dockerfile", "", "", true, false, &AnswerLint},
    {"frontend.convertllb", "0.1.0", "Convert Dockerfile to LLB", "", "", true, false, &AnswerConvertLlb},
};

}  // namespace

std::span<const SubrequestRow> SubrequestRows() { return kRows; }

void WriteText(GoJsonWriter& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  out.Key(key);
  out.String(value);
}

void WriteFlag(GoJsonWriter& out, std::string_view key, bool value) {
  if (!value) return;
  out.Key(key);
  out.Bool(true);
}

void WriteLocation(GoJsonWriter& out, const Ranges& ranges) {
  if (ranges.empty()) return;
  out.Key("location");
  out.Raw(llb::GoJsonOf(LocationToPb(ranges)));
}

void WriteSources(GoJsonWriter& out, const ConvertInput& input) {
  out.Key("sources");
  out.BeginArray();
  out.Bytes(input.source->data);
  out.EndArray();
}

absl::StatusOr<SubrequestAnswer> AnswerSubrequest(const std::string& id, const ConvertInput& input) {
  for (const SubrequestRow& row : kRows) {
    if (row.id != id) continue;
    BK_TRY(SubrequestAnswer answer, row.answer(input));
    answer["result.json"] = GoJsonIndent(answer["result.json"], "  ");
    answer["version"] = row.version;
    return answer;
  }
  absl::Status status = absl::UnknownError(StrCat("unsupported request ", id));
  AddDetail(status, {"errdefs.Subrequest", StrCat("{\"name\":", GoJsonString(id), "}")});
  return status;
}

}  // namespace bk::dockerfile
