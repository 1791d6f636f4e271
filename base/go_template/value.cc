#include "base/go_template/value.h"

#include <algorithm>
#include <charconv>

#include "base/go_json.h"

namespace bk::go_template {

struct Value::Data {
  std::string text;
  std::vector<Value> items, keys;
  std::vector<Field> fields;
  Value other;  // a pointer's target, a map's zero
};

namespace {

// The types that have no name of their own are made once.
std::shared_ptr<const Type> Basic(Kind kind) {
  static const auto boolean = MakeType("bool", Kind::kBool), integer = MakeType("int", Kind::kInt), natural = MakeType("uint64", Kind::kUint),
                    real = MakeType("float64", Kind::kFloat), text = MakeType("string", Kind::kString);
  switch (kind) {
    case Kind::kBool: return boolean;
    case Kind::kInt: return integer;
    case Kind::kUint: return natural;
    case Kind::kFloat: return real;
    default: return text;
  }
}

std::shared_ptr<const Type> BytesType() {
  static const auto type = [] {
    Type bytes{"[]uint8", Kind::kSlice, {}, {}, {}};
    bytes.json = [](const Value& value) {
      std::string raw;
      for (size_t i = 0; i < value.size(); i++) raw += static_cast<char>(value.item(i).natural());
      GoJsonWriter w;
      value.nil() ? w.Null() : w.Bytes(raw);
      return w.Take();
    };
    return std::make_shared<const Type>(std::move(bytes));
  }();
  return type;
}

bool KeyLess(const Value& a, const Value& b) {
  if (a.kind() == Kind::kString) return a.text() < b.text();
  return a.kind() == Kind::kUint ? a.natural() < b.natural() : a.integer() < b.integer();
}

bool Empty(const Value& value) {
  switch (value.kind()) {
    case Kind::kInvalid: return true;
    case Kind::kString:
    case Kind::kSlice:
    case Kind::kMap: return value.size() == 0;
    case Kind::kFloat: return value.real() == 0;
    case Kind::kStruct: return false;
    case Kind::kPointer: return value.nil();
    default: return value.integer() == 0;
  }
}

std::string KeyText(const Value& key) {
  if (key.kind() == Kind::kString) return key.text();
  return key.kind() == Kind::kUint ? std::to_string(key.natural()) : std::to_string(key.integer());
}

void Write(GoJsonWriter& w, const Value& value) {
  if (value.valid() && value.type().json && !(value.kind() == Kind::kPointer && value.nil())) return w.Raw(value.type().json(value));
  switch (value.kind()) {
    case Kind::kInvalid: return w.Null();
    case Kind::kBool: return w.Bool(value.boolean());
    case Kind::kInt: return w.Int(value.integer());
    case Kind::kUint: return w.Uint(value.natural());
    case Kind::kFloat: {
      char text[64];
      auto end = std::to_chars(text, text + sizeof text, value.real());
      return w.Raw(std::string_view(text, static_cast<size_t>(end.ptr - text)));
    }
    case Kind::kString: return w.String(value.text());
    case Kind::kPointer: return value.nil() ? w.Null() : Write(w, value.target());
    case Kind::kSlice:
      if (value.nil()) return w.Null();
      w.BeginArray();
      for (size_t i = 0; i < value.size(); i++) Write(w, value.item(i));
      return w.EndArray();
    case Kind::kMap:
      if (value.nil()) return w.Null();
      w.BeginObject();
      for (size_t i = 0; i < value.size(); i++) w.Key(KeyText(value.key(i))), Write(w, value.item(i));
      return w.EndObject();
    case Kind::kStruct:
      w.BeginObject();
      for (const Field& field : value.fields()) {
        if (field.json.empty() || (field.omit_empty && Empty(*field.value))) continue;
        w.Key(field.json);
        Write(w, *field.value);
      }
      return w.EndObject();
  }
}

}  // namespace

std::shared_ptr<const Type> MakeType(std::string name, Kind kind) { return std::make_shared<const Type>(Type{std::move(name), kind, {}, {}, {}}); }

Field MakeField(std::string name, std::string json, Value value, bool omit_empty) {
  return Field{std::move(name), std::move(json), omit_empty, std::make_shared<const Value>(std::move(value))};
}

Value Value::Bool(bool value) {
  Value out(Basic(Kind::kBool));
  out.number_ = value;
  return out;
}
Value Value::Int(int64_t value) { return IntOf(Basic(Kind::kInt), value); }
Value Value::Uint(uint64_t value) { return IntOf(Basic(Kind::kUint), static_cast<int64_t>(value)); }
Value Value::Float(double value) {
  Value out(Basic(Kind::kFloat));
  out.real_ = value;
  return out;
}
Value Value::String(std::string value) { return StringOf(Basic(Kind::kString), std::move(value)); }

Value Value::Bytes(std::string value) {
  static const auto byte = MakeType("uint8", Kind::kUint);
  auto data = std::make_shared<Data>();
  for (char c : value) data->items.push_back(IntOf(byte, static_cast<unsigned char>(c)));
  Value out(BytesType());
  out.nil_ = value.empty();
  out.data_ = std::move(data);
  return out;
}

Value Value::Strings(std::vector<std::string> values, bool nil_if_empty) {
  std::vector<Value> items;
  for (std::string& value : values) items.push_back(String(std::move(value)));
  bool nil = nil_if_empty && items.empty();
  return Slice("[]string", std::move(items), nil);
}

Value Value::IntOf(std::shared_ptr<const Type> type, int64_t value) {
  Value out(std::move(type));
  out.number_ = value;
  return out;
}

Value Value::StringOf(std::shared_ptr<const Type> type, std::string value) {
  Value out(std::move(type));
  auto data = std::make_shared<Data>();
  data->text = std::move(value);
  out.data_ = std::move(data);
  return out;
}

Value Value::Slice(std::string type, std::vector<Value> items, bool nil) {
  Value out(MakeType(std::move(type), Kind::kSlice));
  auto data = std::make_shared<Data>();
  data->items = std::move(items);
  out.data_ = std::move(data);
  out.nil_ = nil;
  return out;
}

Value Value::Map(std::string type, std::vector<std::pair<Value, Value>> entries, Value zero, bool nil) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return KeyLess(a.first, b.first); });
  Value out(MakeType(std::move(type), Kind::kMap));
  auto data = std::make_shared<Data>();
  for (auto& [key, item] : entries) data->keys.push_back(std::move(key)), data->items.push_back(std::move(item));
  data->other = std::move(zero);
  out.data_ = std::move(data);
  out.nil_ = nil;
  return out;
}

Value Value::Struct(std::shared_ptr<const Type> type, std::vector<Field> fields) {
  Value out(std::move(type));
  auto data = std::make_shared<Data>();
  data->fields = std::move(fields);
  out.data_ = std::move(data);
  return out;
}

Value Value::Pointer(Value target) {
  Type type = target.type();
  type.name.insert(0, "*");
  type.kind = Kind::kPointer;
  if (type.text) type.text = [text = type.text](const Value& pointer) { return text(pointer.target()); };
  type.json = nullptr;
  for (Method& method : type.methods) {
    method.call = [call = method.call](const Value& pointer, std::span<const Value> args) { return call(pointer.target(), args); };
  }
  return Pointer(std::make_shared<const Type>(std::move(type)), std::move(target), false);
}

Value Value::Pointer(std::shared_ptr<const Type> type, Value target, bool nil) {
  Value out(std::move(type));
  auto data = std::make_shared<Data>();
  data->other = std::move(target);
  out.data_ = std::move(data);
  out.nil_ = nil;
  return out;
}

Value Value::Opaque(std::shared_ptr<const Type> type, std::shared_ptr<const void> payload) {
  Value out = Struct(std::move(type), {});
  out.payload_ = std::move(payload);
  return out;
}

const std::string& Value::type_name() const {
  static const std::string none = "<nil>";
  return valid() ? type_->name : none;
}

const std::string& Value::text() const {
  static const std::string none;
  return data_ == nullptr ? none : data_->text;
}

size_t Value::size() const { return kind() == Kind::kString ? text().size() : data_ == nullptr ? 0 : data_->items.size(); }

Value Value::item(size_t index) const {
  static const auto byte = MakeType("uint8", Kind::kUint);
  return kind() == Kind::kString ? IntOf(byte, static_cast<unsigned char>(text()[index])) : data_->items[index];
}

const Value& Value::key(size_t index) const { return data_->keys[index]; }

const std::vector<Field>& Value::fields() const {
  static const std::vector<Field> none;
  return data_ == nullptr ? none : data_->fields;
}

const Field* Value::field(std::string_view name) const {
  for (const Field& field : fields()) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Value Value::target() const { return data_ == nullptr ? Value() : data_->other; }
Value Value::zero() const { return data_ == nullptr ? Value() : data_->other; }

std::string JsonOf(const Value& value) {
  GoJsonWriter w;
  Write(w, value);
  return WithoutHtmlEscapes(w.text());
}

}  // namespace bk::go_template
