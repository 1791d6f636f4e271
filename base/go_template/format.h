// Values as Go's fmt prints them: Sprint, Sprintln, Sprintf.
//
// Bounded: a width or precision of more than 1,000,000 is none (as Go's), and what is printed ends at kMaxTextBytes.
#pragma once

#include <span>
#include <string>

#include "base/go_template/value.h"

namespace bk::go_template {

inline constexpr size_t kMaxTextBytes = 64 << 20;

// As the verb %v prints it.
std::string Text(const Value& value);
std::string Sprint(std::span<const Value> values);
std::string Sprintln(std::span<const Value> values);
std::string Sprintf(std::string_view format, std::span<const Value> values);

}  // namespace bk::go_template
