#include "proto/llb/go_json_of.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "base/go_json.h"

namespace bk::llb {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Writer {
 public:
  explicit Writer(bool proto) : proto_(proto) {}
  std::string Write(const Message& message) {
    WriteMessage(message);
    return out_.Take();
  }

 private:
  void WriteNumber(int64_t value) { proto_ ? out_.String(std::to_string(value)) : out_.Int(value); }
  void WriteNumber(uint64_t value) { proto_ ? out_.String(std::to_string(value)) : out_.Uint(value); }
  void WriteEnum(const FieldDescriptor* field, int number) {
    const auto* value = proto_ ? field->enum_type()->FindValueByNumber(number) : nullptr;
    value != nullptr ? out_.String(value->name()) : out_.Int(number);
  }

  // `index` < 0: a field that is not repeated.
  void WriteValue(const Message& message, const FieldDescriptor* field, int index) {
    const auto* r = message.GetReflection();
#define BK_GET(Type) (index < 0 ? r->Get##Type(message, field) : r->GetRepeated##Type(message, field, index))
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: return out_.Int(BK_GET(Int32));
      case FieldDescriptor::CPPTYPE_INT64: return WriteNumber(BK_GET(Int64));
      case FieldDescriptor::CPPTYPE_UINT32: return out_.Uint(BK_GET(UInt32));
      case FieldDescriptor::CPPTYPE_UINT64: return WriteNumber(BK_GET(UInt64));
      case FieldDescriptor::CPPTYPE_BOOL: return out_.Bool(BK_GET(Bool));
      case FieldDescriptor::CPPTYPE_ENUM: return WriteEnum(field, BK_GET(EnumValue));
      case FieldDescriptor::CPPTYPE_MESSAGE: return WriteMessage(BK_GET(Message));
      case FieldDescriptor::CPPTYPE_STRING:
        if (field->type() == FieldDescriptor::TYPE_BYTES) return out_.Bytes(BK_GET(String));
        return out_.String(BK_GET(String));
      default: return out_.Null();  // the contract has no floating point
    }
#undef BK_GET
  }

  // Keys of the contract's maps are texts or numbers; these are written, and sorted, as texts.
  void WriteMap(const Message& message, const FieldDescriptor* field) {
    const auto* r = message.GetReflection();
    const FieldDescriptor* key = field->message_type()->map_key();
    std::vector<std::pair<std::string, const Message*>> entries;
    for (int i = 0; i < r->FieldSize(message, field); i++) {
      const Message& entry = r->GetRepeatedMessage(message, field, i);
      bool number = key->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
      entries.emplace_back(number ? std::to_string(entry.GetReflection()->GetInt64(entry, key)) : entry.GetReflection()->GetString(entry, key), &entry);
    }
    std::sort(entries.begin(), entries.end());
    out_.BeginObject();
    for (const auto& [name, entry] : entries) {
      out_.Key(name);
      WriteValue(*entry, field->message_type()->map_value(), -1);
    }
    out_.EndObject();
  }

  // The three messages whose union is an object of its own: Op, FileAction, UserOpt. The numbers beside a file action
  // are always there; its newest kind, symlink, is not.
  static const char* UnionName(const Message& message) {
    std::string_view name = message.GetDescriptor()->full_name();
    return name == "pb.Op" ? "Op" : name == "pb.FileAction" ? "Action" : name == "pb.UserOpt" ? "User" : nullptr;
  }
  void WriteMember(const Message& message, const FieldDescriptor* field) {
    bool zero = field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32 && message.GetReflection()->GetUInt32(message, field) == 0;
    if (zero || field->name() == "symlink") return;
    out_.Key(field->name());
    WriteValue(message, field, -1);
  }
  void WriteWithUnion(const Message& message, const char* union_name) {
    const auto* r = message.GetReflection();
    const auto* type = message.GetDescriptor();
    const auto* group = type->oneof_decl(0);
    out_.BeginObject();
    for (int i = 0; i < type->field_count(); i++) {
      const FieldDescriptor* field = type->field(i);
      if (field == group->field(0)) {
        out_.Key(union_name);
        out_.BeginObject();
        if (r->HasOneof(message, group)) WriteMember(message, r->GetOneofFieldDescriptor(message, group));
        out_.EndObject();
      }
      if (field->containing_oneof() != nullptr) continue;
      if (field->is_repeated() ? r->FieldSize(message, field) == 0 : field->has_presence() && !r->HasField(message, field)) continue;
      WriteField(message, field);
    }
    out_.EndObject();
  }

  void WriteField(const Message& message, const FieldDescriptor* field) {
    out_.Key(proto_ ? field->json_name() : field->name());
    if (field->is_map()) return WriteMap(message, field);
    if (!field->is_repeated()) return WriteValue(message, field, -1);
    out_.BeginArray();
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); i++) WriteValue(message, field, i);
    out_.EndArray();
  }

  // Recursion is bounded by the parser's limit of depth.
  void WriteMessage(const Message& message) {
    if (const char* name = proto_ ? nullptr : UnionName(message)) return WriteWithUnion(message, name);
    std::vector<const FieldDescriptor*> fields;
    const auto* r = message.GetReflection();
    r->ListFields(message, &fields);
    if (proto_) std::sort(fields.begin(), fields.end(), [](const FieldDescriptor* a, const FieldDescriptor* b) { return a->index() < b->index(); });
    out_.BeginObject();
    for (const FieldDescriptor* field : fields) WriteField(message, field);
    out_.EndObject();
  }

  const bool proto_;  // the form of protojson, else of encoding/json
  GoJsonWriter out_;
};

}  // namespace

std::string GoJsonOf(const Message& message) { return Writer(false).Write(message); }
std::string ProtoJsonOf(const Message& message) { return Writer(true).Write(message); }

}  // namespace bk::llb
