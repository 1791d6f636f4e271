// The rows of the table of questions.
#pragma once

#include <span>
#include <string_view>

#include "base/go_json.h"
#include "daemon/frontend/dockerfile/subrequest/subrequest.h"

namespace bk::dockerfile {

struct SubrequestRow {
  std::string_view id, version, description;
  std::string_view option, option_description;  // the one it takes; "" if none
  bool lists_options;                           // an empty list rather than none
  bool described;                               // the reference keeps the others to itself
  absl::StatusOr<SubrequestAnswer> (*answer)(const ConvertInput& input);
};
std::span<const SubrequestRow> SubrequestRows();

absl::StatusOr<SubrequestAnswer> DescribeSubrequests(const ConvertInput& input);
absl::StatusOr<SubrequestAnswer> AnswerOutline(const ConvertInput& input);
absl::StatusOr<SubrequestAnswer> AnswerTargets(const ConvertInput& input);
absl::StatusOr<SubrequestAnswer> AnswerLint(const ConvertInput& input);
absl::StatusOr<SubrequestAnswer> AnswerConvertLlb(const ConvertInput& input);

// Members of JSON objects, in the reference's form: left out when empty.
void WriteText(GoJsonWriter& out, std::string_view key, std::string_view value);
void WriteFlag(GoJsonWriter& out, std::string_view key, bool value);
void WriteLocation(GoJsonWriter& out, const Ranges& ranges);
// The Dockerfile as the only element of "sources".
void WriteSources(GoJsonWriter& out, const ConvertInput& input);

}  // namespace bk::dockerfile
