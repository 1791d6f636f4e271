// A private key of ssh as it lies in a file: PEM (PKCS #1, PKCS #8, SEC 1) and OpenSSH's own format; rsa, ecdsa and ed25519.
//
// Formats: RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, openssh's PROTOCOL.key. Keys with a passphrase are refused.
// Immutable; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

struct evp_pkey_st;

namespace bk::client {

class SshKey {
 public:
  // InvalidArgument with the reference's text.
  static absl::StatusOr<SshKey> Parse(std::string_view file);

  const std::string& public_blob() const { return public_blob_; }
  // `flags` of a request to an agent: 2 and 4 choose SHA-256 and SHA-512 for rsa, which signs with nothing older. The blob of the
  // signature, with the name of its algorithm.
  absl::StatusOr<std::string> Sign(std::string_view data, uint32_t flags) const;

 private:
  using Handle = std::shared_ptr<evp_pkey_st>;
  SshKey(Handle key, std::string kind, std::string public_blob) : key_(std::move(key)), kind_(std::move(kind)), public_blob_(std::move(public_blob)) {}
  static absl::StatusOr<SshKey> Of(Handle key);
  static absl::StatusOr<Handle> ParseOpenSsh(std::string_view blob);

  Handle key_;
  std::string kind_;  // "ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"
  std::string public_blob_;
};

}  // namespace bk::client
