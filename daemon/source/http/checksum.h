// Digests of the algorithms that a checksum may name: sha256, sha384, sha512. Belongs to one thread.
#pragma once

#include <memory>
#include <string_view>

#include "base/digest.h"

namespace bk::source::http {

class Checksum {
 public:
  // InvalidArgument for any other algorithm.
  static absl::StatusOr<Checksum> Create(std::string_view algorithm);
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  ~Checksum();
  void Update(std::string_view bytes);
  Digest Finish();  // afterwards it is fresh again

 private:
  struct State;
  explicit Checksum(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bk::source::http
