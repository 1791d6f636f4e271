#include "client/cli/message_value.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <map>

#include "base/go_template/time_value.h"
#include "proto/llb/go_json_of.h"

namespace bk::client {
namespace {

using go_template::Field;
using go_template::Kind;
using go_template::MakeField;
using go_template::MakeType;
using go_template::Method;
using go_template::Type;
using go_template::Value;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Holder = std::shared_ptr<const Message>;

constexpr int kMaxDepth = 8;  // of messages that are not there: types may contain themselves

// "media_type": "MediaType".
std::string GoName(std::string_view name) {
  std::string out;
  bool upper = true;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    upper = false;
  }
  return out;
}

template <typename Descriptor>
std::string GoTypeName(const Descriptor& type) {
  std::string package = type.file()->package(), name = GoName(type.name());
  if (package == "google.rpc") return "status." + name;
  if (package == "google.protobuf") {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return lower + "pb." + name;
  }
  std::replace(package.begin(), package.end(), '.', '_');
  return package + "." + name;
}

Value ValueOf(const Holder& message, bool nil, int depth);

Value EnumValue(const google::protobuf::EnumDescriptor& type, int number) {
  Type go{GoTypeName(type), Kind::kInt, {}, {}, {}};
  std::string name = type.FindValueByNumber(number) != nullptr ? type.FindValueByNumber(number)->name() : std::to_string(number);
  go.text = [name](const Value&) { return name; };
  go.methods = {{"String", 0, [name](const Value&, std::span<const Value>) -> absl::StatusOr<Value> { return Value::String(name); }}};
  return Value::IntOf(std::make_shared<const Type>(std::move(go)), number);
}

std::string ElementType(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return "int32";
    case FieldDescriptor::CPPTYPE_INT64: return "int64";
    case FieldDescriptor::CPPTYPE_UINT32: return "uint32";
    case FieldDescriptor::CPPTYPE_UINT64: return "uint64";
    case FieldDescriptor::CPPTYPE_BOOL: return "bool";
    case FieldDescriptor::CPPTYPE_ENUM: return GoTypeName(*field.enum_type());
    case FieldDescriptor::CPPTYPE_MESSAGE: return "*" + GoTypeName(*field.message_type());
    default: return field.type() == FieldDescriptor::TYPE_BYTES ? "[]uint8" : "string";
  }
}

Value Number(const FieldDescriptor& field, bool sign, int64_t value) {
  return Value::IntOf(MakeType(ElementType(field), sign ? Kind::kInt : Kind::kUint), value);
}

// `index` < 0: a field that is not repeated.
Value Single(const Message& message, const FieldDescriptor& field, int index, int depth) {
  const auto* r = message.GetReflection();
#define BK_GET(Type) (index < 0 ? r->Get##Type(message, &field) : r->GetRepeated##Type(message, &field, index))
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return Number(field, true, BK_GET(Int32));
    case FieldDescriptor::CPPTYPE_INT64: return Number(field, true, BK_GET(Int64));
    case FieldDescriptor::CPPTYPE_UINT32: return Number(field, false, BK_GET(UInt32));
    case FieldDescriptor::CPPTYPE_UINT64: return Number(field, false, static_cast<int64_t>(BK_GET(UInt64)));
    case FieldDescriptor::CPPTYPE_BOOL: return Value::Bool(BK_GET(Bool));
    case FieldDescriptor::CPPTYPE_ENUM: return EnumValue(*field.enum_type(), BK_GET(EnumValue));
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& inner = BK_GET(Message);
      Holder copy(inner.New());
      const_cast<Message&>(*copy).CopyFrom(inner);
      return ValueOf(copy, index < 0 && field.has_presence() && !r->HasField(message, &field), depth);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = BK_GET(String);
      return field.type() == FieldDescriptor::TYPE_BYTES ? Value::Bytes(std::move(text)) : Value::String(std::move(text));
    }
    default: return Value();  // the contract has no floating point
  }
#undef BK_GET
}

Value Map(const Message& message, const FieldDescriptor& field, int depth) {
  const FieldDescriptor &key = *field.message_type()->map_key(), &item = *field.message_type()->map_value();
  const auto* r = message.GetReflection();
  std::vector<std::pair<Value, Value>> entries;
  for (int i = 0; i < r->FieldSize(message, &field); i++) {
    const Message& entry = r->GetRepeatedMessage(message, &field, i);
    entries.emplace_back(Single(entry, key, -1, depth), Single(entry, item, -1, depth));
  }
  std::unique_ptr<Message> none(r->GetMessageFactory()->GetPrototype(field.message_type())->New());
  bool nil = entries.empty();
  return Value::Map("map[" + ElementType(key) + "]" + ElementType(item), std::move(entries), Single(*none, item, -1, depth), nil);
}

Value FieldValue(const Message& message, const FieldDescriptor& field, int depth) {
  if (field.is_map()) return Map(message, field, depth);
  if (!field.is_repeated()) return Single(message, field, -1, depth);
  std::vector<Value> items;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); i++) items.push_back(Single(message, field, i, depth));
  bool nil = items.empty();
  return Value::Slice("[]" + ElementType(field), std::move(items), nil);
}

// What Go generates beside the fields.
std::vector<Method> Methods(const Descriptor& type, const Holder& message) {
  std::vector<Method> methods;
  for (int i = 0; i < type.field_count(); i++) {
    std::string name = GoName(type.field(i)->name());
    auto get = [name](const Value& value, std::span<const Value>) -> absl::StatusOr<Value> { return *value.target().field(name)->value; };
    methods.push_back({"Get" + name, 0, get, true});
  }
  methods.push_back({"String", 0, [message](const Value&, std::span<const Value>) -> absl::StatusOr<Value> { return Value::String(MessageText(*message)); }, true});
  const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(message.get());
  if (time == nullptr) return methods;
  auto as_time = [seconds = time->seconds(), nanos = time->nanos()](const Value&, std::span<const Value>) -> absl::StatusOr<Value> { return go_template::TimeValue(seconds, nanos); };
  methods.push_back({"AsTime", 0, as_time, true});
  return methods;
}

Value ValueOf(const Holder& message, bool nil, int depth) {
  const Descriptor& descriptor = *message->GetDescriptor();
  std::vector<Field> fields;
  for (int i = 0; i < descriptor.field_count() && depth < kMaxDepth; i++) {
    const FieldDescriptor& field = *descriptor.field(i);
    fields.push_back(MakeField(GoName(field.name()), field.name(), FieldValue(*message, field, depth + 1), true));
  }
  std::string name = GoTypeName(descriptor);
  Type type{name, Kind::kStruct, {}, {}, {}}, pointer{"*" + name, Kind::kPointer, {}, {}, {}};
  pointer.text = type.text = [message](const Value&) { return MessageText(*message); };
  pointer.json = type.json = [message](const Value&) { return llb::GoJsonOf(*message); };
  if (depth < kMaxDepth) pointer.methods = Methods(descriptor, message);
  return Value::Pointer(std::make_shared<const Type>(std::move(pointer)), Value::Struct(std::make_shared<const Type>(std::move(type)), std::move(fields)), nil);
}

std::string FieldText(const Message& message, const FieldDescriptor& field, int index) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const auto* r = message.GetReflection();
    return "{" + MessageText(index < 0 ? r->GetMessage(message, &field) : r->GetRepeatedMessage(message, &field, index)) + "}";
  }
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    const auto* r = message.GetReflection();
    return Quote(index < 0 ? r->GetString(message, &field) : r->GetRepeatedString(message, &field, index));
  }
  Value value = Single(message, field, index, 0);
  if (value.kind() == Kind::kString) return Quote(value.text());
  if (value.kind() == Kind::kBool) return value.boolean() ? "true" : "false";
  if (value.type().text) return value.type().text(value);
  return value.kind() == Kind::kUint ? std::to_string(value.natural()) : std::to_string(value.integer());
}

std::string Entry(const Message& entry) {
  const Descriptor& type = *entry.GetDescriptor();
  return StrCat("{key:", FieldText(entry, *type.map_key(), -1), " value:", FieldText(entry, *type.map_value(), -1), "}");
}

}  // namespace

Value MessageValue(const Message& message) {
  Holder copy(message.New());
  const_cast<Message&>(*copy).CopyFrom(message);
  return ValueOf(copy, false, 0);
}

std::string MessageText(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  const auto* r = message.GetReflection();
  r->ListFields(message, &fields);
  std::string out;
  for (const FieldDescriptor* field : fields) {
    std::vector<std::string> texts;
    if (!field->is_repeated()) {
      texts.push_back(FieldText(message, *field, -1));
    } else {
      for (int i = 0; i < r->FieldSize(message, field); i++) texts.push_back(field->is_map() ? Entry(r->GetRepeatedMessage(message, field, i)) : FieldText(message, *field, i));
      if (field->is_map()) std::sort(texts.begin(), texts.end());
    }
    for (const std::string& text : texts) out += StrCat(out.empty() ? "" : " ", field->name(), ":", text);
  }
  return out;
}

}  // namespace bk::client
