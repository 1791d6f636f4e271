#include "proto/llb/proto_json_of.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "base/go_json.h"

namespace bk::llb {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void WriteMessage(GoJsonWriter& out, const Message& message);

void WriteEnum(GoJsonWriter& out, const FieldDescriptor* field, int number) {
  const auto* value = field->enum_type()->FindValueByNumber(number);
  value != nullptr ? out.String(value->name()) : out.Int(number);
}

// `index` < 0: a field that is not repeated.
void WriteValue(GoJsonWriter& out, const Message& message, const FieldDescriptor* field, int index) {
  const auto* r = message.GetReflection();
#define BK_GET(Type) (index < 0 ? r->Get##Type(message, field) : r->GetRepeated##Type(message, field, index))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return out.Int(BK_GET(Int32));
    case FieldDescriptor::CPPTYPE_INT64: return out.String(std::to_string(BK_GET(Int64)));
    case FieldDescriptor::CPPTYPE_UINT32: return out.Uint(BK_GET(UInt32));
    case FieldDescriptor::CPPTYPE_UINT64: return out.String(std::to_string(BK_GET(UInt64)));
    case FieldDescriptor::CPPTYPE_BOOL: return out.Bool(BK_GET(Bool));
    case FieldDescriptor::CPPTYPE_ENUM: return WriteEnum(out, field, BK_GET(EnumValue));
    case FieldDescriptor::CPPTYPE_MESSAGE: return WriteMessage(out, BK_GET(Message));
    case FieldDescriptor::CPPTYPE_STRING:
      if (field->type() == FieldDescriptor::TYPE_BYTES) return out.Bytes(BK_GET(String));
      return out.String(BK_GET(String));
    default: return out.Null();  // the contract has no floating point
  }
#undef BK_GET
}

// Keys of the contract's maps are texts.
void WriteMap(GoJsonWriter& out, const Message& message, const FieldDescriptor* field) {
  const auto* r = message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  std::vector<std::pair<std::string, const Message*>> entries;
  for (int i = 0; i < r->FieldSize(message, field); i++) {
    const Message& entry = r->GetRepeatedMessage(message, field, i);
    entries.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
  }
  std::sort(entries.begin(), entries.end());
  out.BeginObject();
  for (const auto& [name, entry] : entries) {
    out.Key(name);
    WriteValue(out, *entry, field->message_type()->map_value(), -1);
  }
  out.EndObject();
}

// Recursion is bounded by the parser's limit of depth.
void WriteMessage(GoJsonWriter& out, const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  const auto* r = message.GetReflection();
  r->ListFields(message, &fields);
  std::sort(fields.begin(), fields.end(), [](const FieldDescriptor* a, const FieldDescriptor* b) { return a->index() < b->index(); });
  out.BeginObject();
  for (const FieldDescriptor* field : fields) {
    out.Key(field->json_name());
    if (field->is_map()) {
      WriteMap(out, message, field);
    } else if (field->is_repeated()) {
      out.BeginArray();
      for (int i = 0; i < r->FieldSize(message, field); i++) WriteValue(out, message, field, i);
      out.EndArray();
    } else {
      WriteValue(out, message, field, -1);
    }
  }
  out.EndObject();
}

}  // namespace

std::string ProtoJsonOf(const Message& message) {
  GoJsonWriter out;
  WriteMessage(out, message);
  return out.Take();
}

}  // namespace bk::llb
