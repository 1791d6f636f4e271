// Content digests: "sha256:<64 hex>" and the other algorithms the OCI image spec registers.
//
// A Digest is always valid or empty; parsing is the only way in from text. Hashing uses OpenSSL's EVP with the
// algorithm fetched once. Thread-safe (values); a Hasher belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk {

class Digest {
 public:
  Digest() = default;  // empty: "no digest"

  // InvalidArgument with Go's texts ("invalid checksum digest format", "unsupported digest algorithm",
  // "invalid checksum digest length"). sha256, sha384, sha512 are accepted.
  static absl::StatusOr<Digest> Parse(std::string_view text);
  // Algorithm and hex that the caller vouches for (also the pseudo-algorithm "random" of session keys, trap 12).
  static Digest FromParts(std::string_view algorithm, std::string_view hex);
  static Digest FromSha256(const std::array<uint8_t, 32>& bytes);

  bool empty() const { return text_.empty(); }
  const std::string& str() const { return text_; }
  std::string_view algorithm() const;
  std::string_view hex() const;
  bool is_random() const { return algorithm() == "random"; }

  auto operator<=>(const Digest&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Digest& d) {
    return H::combine(std::move(h), d.text_);
  }

 private:
  std::string text_;
};

// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::string_view bytes);
  std::array<uint8_t, 32> Finish();  // afterwards the hasher is fresh again
  Digest FinishDigest() { return Digest::FromSha256(Finish()); }

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::array<uint8_t, 32> Sha256Of(std::string_view bytes);
Digest DigestOf(std::string_view bytes);

std::string HexEncode(std::string_view bytes);
absl::StatusOr<std::string> HexDecode(std::string_view hex);
std::string Base64Encode(std::string_view bytes);              // standard alphabet, padded
std::string Base64UrlEncode(std::string_view bytes);           // URL alphabet, padded
absl::StatusOr<std::string> Base64Decode(std::string_view text);  // either alphabet, padding optional

}  // namespace bk

template <>
struct std::hash<bk::Digest> {
  size_t operator()(const bk::Digest& d) const { return std::hash<std::string>()(d.str()); }
};
