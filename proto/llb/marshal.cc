#include "proto/llb/marshal.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace bk::llb {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

enum WireType { kVarint = 0, kFixed64 = 1, kSized = 2, kFixed32 = 5 };

void AppendVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void AppendTag(std::string& out, const FieldDescriptor* field, WireType type) {
  AppendVarint(out, static_cast<uint64_t>(field->number()) << 3 | type);
}

void AppendSized(std::string& out, const std::string& bytes) {
  AppendVarint(out, bytes.size());
  out += bytes;
}

template <typename T>
void AppendFixed(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little endian, as every supported machine
  out.append(bytes, sizeof bytes);
}

uint64_t ZigZag(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63); }

// One value without its tag: element `index` of a repeated field, or the field itself for index -1.
void AppendValue(std::string& out, const Message& message, const FieldDescriptor* field, int index, bool& is_default) {
  const Reflection* r = message.GetReflection();
  auto integer = [&](int64_t v) {
    is_default = v == 0;
    AppendVarint(out, static_cast<uint64_t>(v));
  };
#define BK_GET(Type) (index < 0 ? r->Get##Type(message, field) : r->GetRepeated##Type(message, field, index))
  switch (field->type()) {
    case FieldDescriptor::TYPE_INT32: return integer(BK_GET(Int32));
    case FieldDescriptor::TYPE_INT64: return integer(BK_GET(Int64));
    case FieldDescriptor::TYPE_UINT32: return integer(BK_GET(UInt32));
    case FieldDescriptor::TYPE_UINT64: return integer(static_cast<int64_t>(BK_GET(UInt64)));
    case FieldDescriptor::TYPE_BOOL: return integer(BK_GET(Bool) ? 1 : 0);
    case FieldDescriptor::TYPE_ENUM: return integer(BK_GET(EnumValue));
    case FieldDescriptor::TYPE_SINT32: return integer(static_cast<int64_t>(ZigZag(BK_GET(Int32))));
    case FieldDescriptor::TYPE_SINT64: return integer(static_cast<int64_t>(ZigZag(BK_GET(Int64))));
    case FieldDescriptor::TYPE_DOUBLE: {
      double v = BK_GET(Double);
      uint64_t bits;
      std::memcpy(&bits, &v, sizeof bits);
      is_default = bits == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_FLOAT: {
      float v = BK_GET(Float);
      uint32_t bits;
      std::memcpy(&bits, &v, sizeof bits);
      is_default = bits == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_FIXED32: {
      uint32_t v = BK_GET(UInt32);
      is_default = v == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_FIXED64: {
      uint64_t v = BK_GET(UInt64);
      is_default = v == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_SFIXED32: {
      int32_t v = BK_GET(Int32);
      is_default = v == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_SFIXED64: {
      int64_t v = BK_GET(Int64);
      is_default = v == 0;
      return AppendFixed(out, v);
    }
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES: {
      std::string v = BK_GET(String);
      is_default = v.empty();
      return AppendSized(out, v);
    }
    case FieldDescriptor::TYPE_MESSAGE:
      is_default = false;
      return AppendSized(out, MarshalDeterministic(BK_GET(Message)));
    case FieldDescriptor::TYPE_GROUP: return;  // proto3 has none
  }
#undef BK_GET
}

WireType WireTypeOf(const FieldDescriptor* field) {
  switch (field->type()) {
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64: return kFixed64;
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32: return kFixed32;
    case FieldDescriptor::TYPE_STRING:
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_MESSAGE:
    case FieldDescriptor::TYPE_GROUP: return kSized;
    default: return kVarint;
  }
}

// Map keys of the contract are strings; others sort by their encoding only within one length, which no field needs.
void AppendMap(std::string& out, const Message& message, const FieldDescriptor* field) {
  const Reflection* r = message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  std::vector<std::pair<std::string, std::string>> entries;  // key text, encoded entry
  for (int i = 0; i < r->FieldSize(message, field); i++) {
    const Message& entry = r->GetRepeatedMessage(message, field, i);
    bool ignored = false;
    std::string encoded, key_text;
    AppendTag(encoded, key, WireTypeOf(key));
    AppendValue(encoded, entry, key, -1, ignored);
    key_text = key->cpp_type() == FieldDescriptor::CPPTYPE_STRING ? entry.GetReflection()->GetString(entry, key) : encoded;
    AppendTag(encoded, value, WireTypeOf(value));
    AppendValue(encoded, entry, value, -1, ignored);
    entries.emplace_back(std::move(key_text), std::move(encoded));
  }
  std::sort(entries.begin(), entries.end());
  for (auto& [ignored, encoded] : entries) {
    AppendTag(out, field, kSized);
    AppendSized(out, encoded);
  }
}

void AppendField(std::string& out, const Message& message, const FieldDescriptor* field) {
  const Reflection* r = message.GetReflection();
  bool is_default = false;
  if (field->is_map()) return AppendMap(out, message, field);
  if (field->is_repeated()) {
    int count = r->FieldSize(message, field);
    if (count == 0) return;
    if (field->is_packable()) {
      std::string packed;
      for (int i = 0; i < count; i++) AppendValue(packed, message, field, i, is_default);
      AppendTag(out, field, kSized);
      return AppendSized(out, packed);
    }
    for (int i = 0; i < count; i++) {
      AppendTag(out, field, WireTypeOf(field));
      AppendValue(out, message, field, i, is_default);
    }
    return;
  }
  if (field->has_presence() && !r->HasField(message, field)) return;
  std::string encoded;
  AppendTag(encoded, field, WireTypeOf(field));
  AppendValue(encoded, message, field, -1, is_default);
  if (!is_default || field->has_presence()) out += encoded;
}

}  // namespace

std::string MarshalDeterministic(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < descriptor->field_count(); i++) fields.push_back(descriptor->field(i));
  std::sort(fields.begin(), fields.end(), [](auto* a, auto* b) { return a->number() < b->number(); });
  std::string out;
  for (bool oneofs : {false, true}) {
    for (const FieldDescriptor* field : fields) {
      if ((field->real_containing_oneof() != nullptr) == oneofs) AppendField(out, message, field);
    }
  }
  std::string unknown;
  message.GetReflection()->GetUnknownFields(message).SerializeToString(&unknown);
  return out + unknown;
}

}  // namespace bk::llb
