// frontend.subrequests.describe
#include "base/tab_writer.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"

namespace bk::dockerfile {
namespace {

void WriteNamed(GoJsonWriter& out, std::string_view name, std::string_view description) {
  out.BeginObject();
  out.Key("name");
  out.String(name);
  out.Key("description");
  out.String(description);
  out.EndObject();
}

void WriteRow(GoJsonWriter& out, const SubrequestRow& row) {
  out.BeginObject();
  for (auto [key, value] : {std::pair("name", row.id), {"version", row.version}, {"type", "rpc"}, {"description", row.description}}) {
    out.Key(key);
    out.String(value);
  }
  out.Key("opts");
  if (row.lists_options) {
    out.BeginArray();
    if (!row.option.empty()) WriteNamed(out, row.option, row.option_description);
    out.EndArray();
  } else {
    out.Null();
  }
  out.Key("inputs");
  out.Null();
  out.Key("metadata");
  out.BeginArray();
  for (std::string_view name : {"result.json", "result.txt"}) WriteNamed(out, name, "");
  out.EndArray();
  out.Key("refs");
  out.Null();
  out.EndObject();
}

}  // namespace

absl::StatusOr<SubrequestAnswer> DescribeSubrequests(const ConvertInput&) {
  GoJsonWriter json;
  TabWriter text({0, 0, 1, ' '});
  json.BeginArray();
  text.Write("NAME\tVERSION\tDESCRIPTION\n");
  for (const SubrequestRow& row : SubrequestRows()) {
    if (!row.described) continue;
    WriteRow(json, row);
    constexpr std::string_view kPrefix = "frontend.";
    text.Write(StrCat(row.id.substr(row.id.starts_with(kPrefix) ? kPrefix.size() : 0), "\t", row.version, "\t", row.description, "\n"));
  }
  json.EndArray();
  return SubrequestAnswer{{"result.json", json.Take()}, {"result.txt", text.Flush()}};
}

}  // namespace bk::dockerfile
