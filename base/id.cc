#include "base/id.h"

#include <sys/random.h>

#include <cstdint>

namespace bk {

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t n = getrandom(bytes.data() + done, size - done, 0);
    if (n > 0) done += static_cast<size_t>(n);
  }
  return bytes;
}

std::string NewId() {
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id;
  while (id.size() < 25) {
    for (unsigned char c : RandomBytes(32)) {
      // 252 = 7 * 36: larger bytes would favour the first digits.
      if (c < 252 && id.size() < 25) id += kDigits[c % 36];
    }
  }
  return id;
}

}  // namespace bk
