// The functions that templates call: those of text/template and buildctl's `json`.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/go_template/value.h"

namespace bk::go_template {

struct Function {
  std::string_view name;
  size_t fixed = 0;         // arguments that must be there
  bool variadic = false;
  bool text_first = false;  // the first argument is a string
  // Errors are Unknown with Go's text; the caller says which function it was.
  absl::StatusOr<Value> (*call)(std::span<const Value> args) = nullptr;
};

const Function* FindFunction(std::string_view name);
const std::set<std::string, std::less<>>& FunctionNames();

// Go's truth: not zero, not empty, not nil.
bool IsTrue(const Value& value);
// Through pointers; of nil ones the pointer.
Value Indirect(const Value& value);
// As a template prints it: "<no value>" for none.
std::string PrintedText(const Value& value);

// eq, ne, lt, le, gt, ge.
absl::StatusOr<Value> Equal(std::span<const Value> args);
absl::StatusOr<Value> NotEqual(std::span<const Value> args);
absl::StatusOr<Value> Less(std::span<const Value> args);
absl::StatusOr<Value> LessOrEqual(std::span<const Value> args);
absl::StatusOr<Value> Greater(std::span<const Value> args);
absl::StatusOr<Value> GreaterOrEqual(std::span<const Value> args);

}  // namespace bk::go_template
