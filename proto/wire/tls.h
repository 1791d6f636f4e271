// Certificates and keys in PEM files as credentials of a client's channel or of a server; both sides read them by the same rules.
//
// Files are read and checked once, when this is called: a pair that does not belong together is told then, not at the first
// connection. Errors have the reference's first words.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "base/status.h"

namespace bk::wire {

struct TlsFiles {
  std::string ca, certificate, key;  // "" = none
  bool any() const { return !ca.empty() || !certificate.empty() || !key.empty(); }
};

// The server is verified by `ca`, or by the system's authorities. A pair is shown to servers that ask for one.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files);
// With `ca` only clients with a certificate of it are let in. Null without a pair (then nothing is encrypted).
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(const TlsFiles& files);

}  // namespace bk::wire
