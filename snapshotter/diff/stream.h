// Byte streams between readers, decoders and files. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::diff {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to `size` bytes; 0 is the end.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;
};

using ByteSink = std::function<absl::Status(std::string_view)>;

// From a file descriptor that the caller keeps open.
class FdSource : public ByteSource {
 public:
  explicit FdSource(int fd) : fd_(fd) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  int fd_;
};

class StringSource : public ByteSource {
 public:
  explicit StringSource(std::string_view bytes) : rest_(bytes) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  std::string_view rest_;
};

}  // namespace bk::diff
