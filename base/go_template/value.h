// Values as Go's reflection sees them: what a template walks over, prints, compares and writes as JSON.
//
// A program describes its data once, with Go's names of types and fields and the names in JSON. Values are cheap to copy (lists,
// maps and structs are shared) and never change. Thread-safe (values).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::go_template {

enum class Kind { kInvalid, kBool, kInt, kUint, kFloat, kString, kSlice, kMap, kStruct, kPointer };

class Value;

// A method takes texts only; `args` has as many as `parameters` says.
struct Method {
  std::string name;
  size_t parameters = 0;
  std::function<absl::StatusOr<Value>(const Value& receiver, std::span<const Value> args)> call;
  bool of_pointer = false;  // may be called on a nil one
};

struct Type {
  std::string name;  // "*client.UsageInfo", "[]string"
  Kind kind = Kind::kInvalid;
  std::function<std::string(const Value&)> text;  // String() of the type; none: printed by its kind
  std::function<std::string(const Value&)> json;  // encoded by itself; none: by its kind
  std::vector<Method> methods;
};

struct Field {
  std::string name;
  std::string json;  // its name in JSON; "": no part of it
  bool omit_empty = false;
  std::shared_ptr<const Value> value;
};

class Value {
 public:
  Value() = default;  // no value at all: Go's invalid value, or an untyped nil
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value Uint(uint64_t value);
  static Value Float(double value);
  static Value String(std::string value);
  static Value Bytes(std::string value);  // []uint8, base64 in JSON
  static Value Strings(std::vector<std::string> values, bool nil_if_empty = true);

  // Of a named type: an enum, a duration.
  static Value IntOf(std::shared_ptr<const Type> type, int64_t value);
  static Value StringOf(std::shared_ptr<const Type> type, std::string value);
  static Value Slice(std::string type, std::vector<Value> items, bool nil = false);
  // Sorted by key. `zero` is what a missing key gives.
  static Value Map(std::string type, std::vector<std::pair<Value, Value>> entries, Value zero, bool nil = false);
  static Value Struct(std::shared_ptr<const Type> type, std::vector<Field> fields);
  static Value Pointer(Value target);                                                  // of type "*" + the target's
  static Value Pointer(std::shared_ptr<const Type> type, Value target, bool nil);      // `target` of a nil one: an empty one of its type
  static Value Opaque(std::shared_ptr<const Type> type, std::shared_ptr<const void> payload);  // a struct without fields to see

  Kind kind() const { return type_ == nullptr ? Kind::kInvalid : type_->kind; }
  bool valid() const { return type_ != nullptr; }
  const Type& type() const { return *type_; }
  const std::string& type_name() const;

  bool boolean() const { return number_ != 0; }
  int64_t integer() const { return number_; }
  uint64_t natural() const { return static_cast<uint64_t>(number_); }
  double real() const { return real_; }
  const std::string& text() const;
  bool nil() const { return kind() == Kind::kInvalid || nil_; }
  size_t size() const;  // of a text, list or map
  Value item(size_t index) const;                       // of a list or map; bytes of a text
  const Value& key(size_t index) const;                 // of a map
  const std::vector<Field>& fields() const;             // of a struct
  const Field* field(std::string_view name) const;
  Value target() const;                                 // of a pointer; of a nil one an empty value of its type
  Value zero() const;                                   // what a missing key of a map gives
  const void* payload() const { return payload_.get(); }
  const void* address() const { return data_.get(); }   // told apart by it: pointers

 private:
  struct Data;
  Value(std::shared_ptr<const Type> type) : type_(std::move(type)) {}
  std::shared_ptr<const Type> type_;
  std::shared_ptr<const Data> data_;
  std::shared_ptr<const void> payload_;
  int64_t number_ = 0;
  double real_ = 0;
  bool nil_ = false;
};

std::shared_ptr<const Type> MakeType(std::string name, Kind kind);
Field MakeField(std::string name, std::string json, Value value, bool omit_empty = false);

// As encoding/json writes it, with `<`, `>` and `&` as they are.
std::string JsonOf(const Value& value);

}  // namespace bk::go_template
