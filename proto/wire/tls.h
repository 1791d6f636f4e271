// Certificates and keys in PEM files as credentials of a client's channel or as what a server shows; both sides read them by the same rules.
//
// Files are read and checked once, when this is called: a pair that does not belong together is told then, not at the first
// connection. Errors have the reference's first words.
#pragma once

#include <grpcpp/grpcpp.h>
#include <openssl/types.h>

#include <memory>
#include <string>

#include "base/status.h"

namespace bk::wire {

struct TlsFiles {
  std::string ca, certificate, key;  // "" = none
  bool any() const { return !ca.empty() || !certificate.empty() || !key.empty(); }
};

// The server is verified by `ca` alone; without one no server is trusted, and that is told here. A pair is shown to servers that ask
// for one.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files);
// Why the last handshake of this program's clients was turned down by the server, in TLS's words: "certificate required"; "" if none was.
// gRPC only writes it to its log, which clients with TLS keep silent about handshakes.
std::string LastTlsAlert();
// For connections that are accepted: TLS 1.2 and later, no sessions that are taken up again. With `ca` only clients with a certificate
// of it are let in. HTTP/2 is agreed on with clients that ask; clients that name no protocol are taken too (gRPC's own server turns
// these away). Null without a pair (then nothing is encrypted). May be shared by threads.
absl::StatusOr<std::shared_ptr<SSL_CTX>> ServerTls(const TlsFiles& files);

}  // namespace bk::wire
