// The proof that two sessions belong to one client: an Ed25519 key made of a seed of the client and a salt of the daemon.
//
// The seeds lie in ".token_seed" of Docker's configuration directory, one a registry host, made when first needed.
// Clients without a secret for the host all have the same key (trap 19). Thread-safe (the file is locked).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::client {

class TokenAuthority {
 public:
  explicit TokenAuthority(std::string directory) : directory_(std::move(directory)) {}

  // `has_secret`: the client has credentials for the host. 32 bytes.
  absl::StatusOr<std::string> PublicKey(const std::string& host, std::string_view salt, bool has_secret) const;
  // 64 bytes of signature followed by the payload.
  absl::StatusOr<std::string> Sign(const std::string& host, std::string_view salt, bool has_secret, std::string_view payload) const;

 private:
  absl::StatusOr<std::string> PrivateKey(const std::string& host, std::string_view salt, bool has_secret) const;
  absl::StatusOr<std::string> Seed(const std::string& host) const;
  std::string directory_;
};

}  // namespace bk::client
