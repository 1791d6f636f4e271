#include "daemon/ops/map/op_json.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <vector>

#include "base/go_json.h"
#include "base/status.h"
#include "llb/ops.pb.h"

namespace bk::ops {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::vector<const FieldDescriptor*> SetFields(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);  // set ones only, ascending
  return fields;
}

void WriteMessage(GoJsonWriter& w, const Message& message);

// Element `i` of a repeated field, or the field itself (i < 0).
void WriteValue(GoJsonWriter& w, const Message& m, const FieldDescriptor* field, int i) {
  const Reflection& r = *m.GetReflection();
  bool many = i >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return w.Int(many ? r.GetRepeatedInt32(m, field, i) : r.GetInt32(m, field));
    case FieldDescriptor::CPPTYPE_INT64: return w.Int(many ? r.GetRepeatedInt64(m, field, i) : r.GetInt64(m, field));
    case FieldDescriptor::CPPTYPE_UINT32: return w.Uint(many ? r.GetRepeatedUInt32(m, field, i) : r.GetUInt32(m, field));
    case FieldDescriptor::CPPTYPE_UINT64: return w.Uint(many ? r.GetRepeatedUInt64(m, field, i) : r.GetUInt64(m, field));
    case FieldDescriptor::CPPTYPE_BOOL: return w.Bool(many ? r.GetRepeatedBool(m, field, i) : r.GetBool(m, field));
    case FieldDescriptor::CPPTYPE_ENUM: return w.Int(many ? r.GetRepeatedEnumValue(m, field, i) : r.GetEnumValue(m, field));
    case FieldDescriptor::CPPTYPE_MESSAGE: return WriteMessage(w, many ? r.GetRepeatedMessage(m, field, i) : r.GetMessage(m, field));
    default: break;
  }
  std::string value = many ? r.GetRepeatedString(m, field, i) : r.GetString(m, field);
  if (field->type() == FieldDescriptor::TYPE_BYTES) return w.Bytes(value);
  w.String(value);
}

// Entries of a map have string keys in every message of the contract.
void WriteMap(GoJsonWriter& w, const Message& message, const FieldDescriptor* field) {
  const Reflection& r = *message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  std::vector<std::pair<std::string, const Message*>> entries;
  for (int i = 0; i < r.FieldSize(message, field); i++) {
    const Message& entry = r.GetRepeatedMessage(message, field, i);
    entries.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
  }
  std::sort(entries.begin(), entries.end());
  w.BeginObject();
  for (const auto& [name, entry] : entries) {
    w.Key(name);
    WriteValue(w, *entry, value, -1);
  }
  w.EndObject();
}

void WriteUser(GoJsonWriter& w, const pb::UserOpt& user) {
  w.BeginObject();
  w.Key("User");
  w.BeginObject();
  if (user.has_byname()) {
    w.Key("byName");
    WriteMessage(w, user.byname());
  }
  if (user.byid() != 0) {
    w.Key("byId");
    w.Uint(user.byid());
  }
  w.EndObject();
  w.EndObject();
}

void WriteMessage(GoJsonWriter& w, const Message& message) {
  if (message.GetDescriptor() == pb::UserOpt::descriptor()) return WriteUser(w, static_cast<const pb::UserOpt&>(message));
  w.BeginObject();
  for (const FieldDescriptor* field : SetFields(message)) {
    w.Key(field->name());
    if (field->is_map()) {
      WriteMap(w, message, field);
    } else if (field->is_repeated()) {
      w.BeginArray();
      for (int i = 0; i < message.GetReflection()->FieldSize(message, field); i++) WriteValue(w, message, field, i);
      w.EndArray();
    } else {
      WriteValue(w, message, field, -1);
    }
  }
  w.EndObject();
}

// Strings as prototext writes them: control bytes as \n, \r, \t or \xNN, UTF-8 as it is.
std::string TextString(std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string TextValue(const Message& m, const FieldDescriptor* field, int i) {
  const Reflection& r = *m.GetReflection();
  bool many = i >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return TextString(many ? r.GetRepeatedString(m, field, i) : r.GetString(m, field));
    case FieldDescriptor::CPPTYPE_MESSAGE: return StrCat("{", OpText(many ? r.GetRepeatedMessage(m, field, i) : r.GetMessage(m, field)), "}");
    case FieldDescriptor::CPPTYPE_ENUM: {
      int number = many ? r.GetRepeatedEnumValue(m, field, i) : r.GetEnumValue(m, field);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      return value == nullptr ? std::to_string(number) : value->name();
    }
    default: {
      GoJsonWriter number;  // numbers and booleans look the same in JSON
      WriteValue(number, m, field, i);
      return number.Take();
    }
  }
}

}  // namespace

std::string OpJson(const Message& message) {
  GoJsonWriter w;
  WriteMessage(w, message);
  return w.Take();
}

std::string OpText(const Message& message) {
  std::string out;
  for (const FieldDescriptor* field : SetFields(message)) {
    int count = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
    for (int i = 0; i < count; i++) {
      if (!out.empty()) out += ' ';
      out += StrCat(field->name(), ":", TextValue(message, field, field->is_repeated() ? i : -1));
    }
  }
  return out;
}

}  // namespace bk::ops
