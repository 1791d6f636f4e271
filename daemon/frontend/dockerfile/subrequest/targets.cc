// frontend.targets: stages as they are written; nothing is looked up.
#include "base/tab_writer.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"

namespace bk::dockerfile {
namespace {

void WriteTarget(GoJsonWriter& out, const Stage& stage, bool is_default) {
  const FromInstruction& from = stage.head();
  out.BeginObject();
  WriteText(out, "name", from.name);
  WriteFlag(out, "default", is_default);
  WriteText(out, "description", from.doc);
  WriteText(out, "base", from.base);
  WriteText(out, "platform", from.platform);
  WriteLocation(out, stage.from.location);
  out.EndObject();
}

std::string ShownName(const FromInstruction& from, bool is_default) {
  if (!is_default) return from.name;
  return StrCat(from.name, from.name.empty() ? "" : " ", "(default)");
}

}  // namespace

absl::StatusOr<SubrequestAnswer> AnswerTargets(const ConvertInput& input) {
  BK_TRY(Dockerfile file, ParseDockerfile(input.source->data));
  BK_TRY(Program program, ParseProgram(file));
  GoJsonWriter json;
  TabWriter text({0, 0, 1, ' '});
  text.Write("TARGET\tDESCRIPTION\n");
  json.BeginObject();
  json.Key("targets");
  program.stages.empty() ? json.Null() : json.BeginArray();
  for (const Stage& stage : program.stages) {
    bool is_default = &stage == &program.stages.back();
    WriteTarget(json, stage, is_default);
    text.Write(StrCat(ShownName(stage.head(), is_default), "\t", ValidUtf8(stage.head().doc), "\n"));
  }
  if (!program.stages.empty()) json.EndArray();
  WriteSources(json, input);
  json.EndObject();
  return SubrequestAnswer{{"result.json", json.Take()}, {"result.txt", text.Flush()}};
}

}  // namespace bk::dockerfile
