// frontend.outline
#include "base/tab_writer.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"

namespace bk::dockerfile {
namespace {

void WriteArgs(GoJsonWriter& out, const std::vector<Outline::Argument>& args) {
  if (args.empty()) return;
  out.Key("args");
  out.BeginArray();
  for (const Outline::Argument& arg : args) {
    out.BeginObject();
    out.Key("name");
    out.String(arg.name);
    WriteText(out, "description", arg.description);
    WriteText(out, "value", arg.value);
    WriteLocation(out, arg.location);
    out.EndObject();
  }
  out.EndArray();
}

void WriteMounts(GoJsonWriter& out, std::string_view key, const std::vector<Outline::Mount>& mounts) {
  if (mounts.empty()) return;
  out.Key(key);
  out.BeginArray();
  for (const Outline::Mount& mount : mounts) {
    out.BeginObject();
    out.Key("name");
    out.String(mount.name);
    WriteFlag(out, "required", mount.required);
    WriteLocation(out, mount.location);
    out.EndObject();
  }
  out.EndArray();
}

std::string Json(const Outline& outline, const ConvertInput& input) {
  GoJsonWriter out;
  out.BeginObject();
  WriteText(out, "name", outline.name);
  WriteText(out, "description", outline.description);
  WriteArgs(out, outline.args);
  WriteMounts(out, "secrets", outline.secrets);
  WriteMounts(out, "ssh", outline.ssh);
  WriteSources(out, input);
  out.EndObject();
  return out.Take();
}

std::string MountTable(std::string_view title, const std::vector<Outline::Mount>& mounts) {
  if (mounts.empty()) return "";
  TabWriter table({0, 0, 3, ' '});
  table.Write(StrCat(title, "\tREQUIRED\n"));
  for (const Outline::Mount& mount : mounts) table.Write(StrCat(ValidUtf8(mount.name), "\t", mount.required ? "true" : "", "\n"));
  return table.Flush() + "\n";
}

std::string Text(const Outline& outline) {
  std::string out;
  if (!outline.name.empty() || !outline.description.empty()) {
    TabWriter head({0, 0, 1, ' '});
    head.Write(StrCat("TARGET:\t", outline.name.empty() ? "(default)" : outline.name, "\n"));
    if (!outline.description.empty()) head.Write(StrCat("DESCRIPTION:\t", ValidUtf8(outline.description), "\n"));
    out = head.Flush() + "\n";
  }
  if (!outline.args.empty()) {
    TabWriter table({0, 0, 3, ' '});
    table.Write("BUILD ARG\tVALUE\tDESCRIPTION\n");
    for (const Outline::Argument& arg : outline.args) {
      table.Write(StrCat(ValidUtf8(arg.name), "\t", ValidUtf8(arg.value), "\t", ValidUtf8(arg.description), "\n"));
    }
    out += table.Flush() + "\n";
  }
  return out + MountTable("SECRET", outline.secrets) + MountTable("SSH", outline.ssh);
}

}  // namespace

absl::StatusOr<SubrequestAnswer> AnswerOutline(const ConvertInput& input) {
  ConvertInput described = input;
  described.outline = true;
  BK_TRY(Converted converted, Convert(described));
  return SubrequestAnswer{{"result.json", Json(converted.outline, input)}, {"result.txt", Text(converted.outline)}};
}

}  // namespace bk::dockerfile
