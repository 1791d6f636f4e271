// Comparisons. Numbers with a sign compare with those without by what they mean.
#include "base/go_template/format.h"
#include "base/go_template/functions.h"

namespace bk::go_template {
namespace {

bool Basic(Kind kind) { return kind >= Kind::kBool && kind <= Kind::kString; }

absl::Status BadType() { return Unknown("invalid type for comparison"); }
absl::Status Incompatible(const Value& a, const Value& b) {
  return Unknown("incompatible types for comparison: ", a.type_name(), " and ", b.type_name());
}

// -1, 0, 1 of two numbers, one or both of a kind without a sign.
int CompareWhole(const Value& a, const Value& b) {
  if (a.kind() == Kind::kInt && b.kind() == Kind::kInt) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  if (a.kind() == Kind::kInt && a.integer() < 0) return -1;
  if (b.kind() == Kind::kInt && b.integer() < 0) return 1;
  return a.natural() < b.natural() ? -1 : a.natural() > b.natural();
}

bool Whole(Kind kind) { return kind == Kind::kInt || kind == Kind::kUint; }

bool Comparable(const Value& value) {
  if (value.kind() == Kind::kSlice || value.kind() == Kind::kMap) return false;
  for (const Field& field : value.fields()) {
    if (!Comparable(*field.value)) return false;
  }
  return true;
}

bool Same(const Value& a, const Value& b);

bool SameFields(const Value& a, const Value& b) {
  if (a.type_name() != b.type_name() || a.fields().size() != b.fields().size()) return false;
  if (a.payload() != nullptr || b.payload() != nullptr) return Text(a) == Text(b);
  for (size_t i = 0; i < a.fields().size(); i++) {
    if (!Same(*a.fields()[i].value, *b.fields()[i].value)) return false;
  }
  return true;
}

bool Same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kFloat: return a.real() == b.real();
    case Kind::kString: return a.text() == b.text();
    case Kind::kStruct: return SameFields(a, b);
    case Kind::kPointer: return a.nil() == b.nil() && (a.nil() || a.address() == b.address());
    default: return a.integer() == b.integer();
  }
}

absl::StatusOr<bool> EqualOne(const Value& a, const Value& b) {
  if (Whole(a.kind()) && Whole(b.kind())) return CompareWhole(a, b) == 0;
  bool basic = Basic(a.kind()) || Basic(b.kind());
  if (basic && a.kind() != b.kind()) {
    if (a.valid() && b.valid()) return Incompatible(a, b);
    return false;
  }
  if (basic) return Same(a, b);
  bool a_nil = !a.valid() || (a.kind() != Kind::kStruct && a.nil()), b_nil = !b.valid() || (b.kind() != Kind::kStruct && b.nil());
  if (a.valid() && b.valid() && a.kind() != b.kind()) {
    return Unknown("non-comparable types ", Text(a), ": ", a.type_name(), ", ", b.type_name(), ": ", Text(b));
  }
  if (a_nil || b_nil) return a_nil == b_nil;
  for (const Value* value : {&a, &b}) {
    if (!Comparable(*value)) return Unknown("non-comparable type ", Text(*value), ": ", value->type_name());
  }
  return Same(a, b);
}

absl::StatusOr<bool> LessOne(const Value& a, const Value& b) {
  if (!Basic(a.kind()) || !Basic(b.kind())) return BadType();
  if (Whole(a.kind()) && Whole(b.kind())) return CompareWhole(a, b) < 0;
  if (a.kind() != b.kind()) return Incompatible(a, b);
  if (a.kind() == Kind::kFloat) return a.real() < b.real();
  if (a.kind() == Kind::kString) return a.text() < b.text();
  return BadType();
}

absl::StatusOr<bool> LessOrEqualOne(const Value& a, const Value& b) {
  BK_TRY(bool less, LessOne(a, b));
  if (less) return true;
  return EqualOne(a, b);
}

}  // namespace

absl::StatusOr<Value> Equal(std::span<const Value> args) {
  if (args.size() < 2) return Unknown("missing argument for comparison");
  for (const Value& arg : args.subspan(1)) {
    BK_TRY(bool same, EqualOne(args[0], arg));
    if (same) return Value::Bool(true);
  }
  return Value::Bool(false);
}

absl::StatusOr<Value> NotEqual(std::span<const Value> args) {
  BK_TRY(bool same, EqualOne(args[0], args[1]));
  return Value::Bool(!same);
}

absl::StatusOr<Value> Less(std::span<const Value> args) {
  BK_TRY(bool less, LessOne(args[0], args[1]));
  return Value::Bool(less);
}

absl::StatusOr<Value> LessOrEqual(std::span<const Value> args) {
  BK_TRY(bool less, LessOrEqualOne(args[0], args[1]));
  return Value::Bool(less);
}

absl::StatusOr<Value> Greater(std::span<const Value> args) {
  BK_TRY(bool less, LessOrEqualOne(args[0], args[1]));
  return Value::Bool(!less);
}

absl::StatusOr<Value> GreaterOrEqual(std::span<const Value> args) {
  BK_TRY(bool less, LessOne(args[0], args[1]));
  return Value::Bool(!less);
}

}  // namespace bk::go_template
