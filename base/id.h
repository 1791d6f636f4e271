// Random ids: 25 characters of base 36 from getrandom(2), as the reference makes them for refs, sessions and records.
#pragma once

#include <string>

namespace bk {

std::string NewId();
// `size` bytes from the kernel's generator.
std::string RandomBytes(size_t size);

}  // namespace bk
