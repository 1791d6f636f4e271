// frontend.convertllb: the LLB of the target as JSON.
#include "base/digest.h"
#include "daemon/frontend/dockerfile/subrequest/request.h"
#include "proto/llb/go_json_of.h"

namespace bk::dockerfile {

absl::StatusOr<SubrequestAnswer> AnswerConvertLlb(const ConvertInput& input) {
  BK_TRY(Converted converted, Convert(input));
  std::map<std::string, std::string> ops, metadata;
  for (const std::string& bytes : converted.definition.def()) {
    pb::Op op;
    if (!op.ParseFromString(bytes)) return Internal("an operation of the definition cannot be read");
    ops[DigestOf(bytes).str()] = llb::ProtoJsonOf(op);
  }
  for (const auto& [digest, one] : converted.definition.metadata()) metadata[digest] = llb::GoJsonOf(one);
  GoJsonWriter json;
  auto write = [&](std::string_view key, const std::map<std::string, std::string>& values) {
    json.Key(key);
    json.BeginObject();
    for (const auto& [digest, value] : values) {
      json.Key(digest);
      json.Raw(value);
    }
    json.EndObject();
  };
  json.BeginObject();
  write("def", ops);
  write("metadata", metadata);
  json.Key("source");
  json.Raw(llb::ProtoJsonOf(converted.definition.source()));
  json.EndObject();
  return SubrequestAnswer{{"result.json", json.Take()}};
}

}  // namespace bk::dockerfile
