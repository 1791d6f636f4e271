#include "proto/wire/tls.h"

#include <grpc/support/log.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <vector>

#include "base/guarded.h"
#include "base/os/file.h"

namespace bk::wire {
namespace {

constexpr uint64_t kMaxPemBytes = 4 << 20;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Up to the first that is broken.
std::vector<Certificate> Certificates(const std::string& pem) {
  std::vector<Certificate> out;
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) out.emplace_back(one, &X509_free);
  ERR_clear_error();
  return out;
}

// A key with a passphrase is no key: nobody is there to be asked.
int NoPassphrase(char*, int, int, void*) { return -1; }

struct Pair {
  std::string certificate, key;    // PEM
  std::vector<Certificate> chain;  // the certificate first
  Key parsed_key{nullptr, &EVP_PKEY_free};
};

absl::StatusOr<Pair> ReadPair(const TlsFiles& files) {
  Pair pair;
  BK_ASSIGN(pair.certificate, os::ReadFile(files.certificate, kMaxPemBytes));
  BK_ASSIGN(pair.key, os::ReadFile(files.key, kMaxPemBytes));
  pair.chain = Certificates(pair.certificate);
  if (pair.chain.empty()) return InvalidArgument("tls: failed to find any PEM data in certificate input ", Quote(files.certificate));
  Bio bio(BIO_new_mem_buf(pair.key.data(), static_cast<int>(pair.key.size())), &BIO_free);
  pair.parsed_key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr));
  bool fits = pair.parsed_key != nullptr && X509_check_private_key(pair.chain[0].get(), pair.parsed_key.get()) == 1;
  ERR_clear_error();
  if (pair.parsed_key == nullptr) return InvalidArgument("tls: failed to find a private key without passphrase in key input ", Quote(files.key));
  if (!fits) return InvalidArgument("tls: private key does not match public key");
  return pair;
}

absl::StatusOr<std::string> ReadAuthorities(const std::string& path, const char* complaint) {
  auto pem = os::ReadFile(path, kMaxPemBytes);
  if (!pem.ok()) return Annotate(pem.status(), "could not read ca certificate");
  if (Certificates(*pem).empty()) return InvalidArgument(complaint, " (", Quote(path), " holds no certificate in PEM)");
  return pem;
}

// As Go's servers choose: a client that knows only HTTP/1.1 is let in to be told by the server itself.
int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned int offered_size, void*) {
  bool old = false;
  for (unsigned int at = 0; at < offered_size && at + 1 + offered[at] <= offered_size; at += 1 + offered[at]) {
    std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
    if (name == "h2") {
      *chosen = offered + at + 1;
      *size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
    old = old || name == "http/1.1";
  }
  return old ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Any certificate of the file is trusted as it is, one of an intermediate authority too.
bool TrustClientsOf(SSL_CTX* context, const std::string& authorities) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  for (const Certificate& one : Certificates(authorities)) {
    if (X509_STORE_add_cert(store, one.get()) != 1 || SSL_CTX_add_client_CA(context, one.get()) != 1) return false;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return true;
}

bool ShowPair(SSL_CTX* context, const Pair& pair) {
  if (SSL_CTX_use_certificate(context, pair.chain[0].get()) != 1 || SSL_CTX_use_PrivateKey(context, pair.parsed_key.get()) != 1) return false;
  for (size_t i = 1; i < pair.chain.size(); i++) {
    if (SSL_CTX_add1_chain_cert(context, pair.chain[i].get()) != 1) return false;
  }
  return true;
}

absl::Status SslError(std::string_view what) {
  char text[256] = {};
  ERR_error_string_n(ERR_get_error(), text, sizeof(text));
  ERR_clear_error();
  return InvalidArgument(what, ": ", text);
}

Guarded<std::string>& LastAlert() {
  static Guarded<std::string> alert;
  return alert;
}

// "error:0A00045C:SSL routines::tlsv13 alert certificate required" and its like are kept, what else is said of handshakes is dropped.
void LogOfGrpc(gpr_log_func_args* line) {
  std::string_view file = line->file, message = line->message;
  constexpr std::string_view kAlert = " alert ";
  if (size_t at = message.find(kAlert); at != std::string_view::npos && message.find("SSL routines") != std::string_view::npos) {
    LastAlert().With([&](std::string& alert) { alert = message.substr(at + kAlert.size()); });
  }
  if (file.ends_with("ssl_transport_security.cc") || file.ends_with("secure_endpoint.cc")) return;
  fprintf(stderr, "%s\n", line->message);
}

}  // namespace

std::string LastTlsAlert() {
  return LastAlert().With([](const std::string& alert) { return alert; });
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files) {
  grpc::SslCredentialsOptions options;
  if (!files.ca.empty()) BK_ASSIGN(options.pem_root_certs, ReadAuthorities(files.ca, "failed to append ca certs"));
  if (!files.certificate.empty() || !files.key.empty()) {
    auto pair = ReadPair(files);
    if (!pair.ok()) return Annotate(pair.status(), "could not read certificate/key");
    options.pem_cert_chain = std::move(pair->certificate);
    options.pem_private_key = std::move(pair->key);
  }
  if (files.ca.empty()) {
    return Unavailable("connection error: desc = \"transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority\" "
                       "(name the authority of the daemon's certificate with --tlscacert)");
  }
  gpr_set_log_function(&LogOfGrpc);
  return grpc::SslCredentials(options);
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> ServerTls(const TlsFiles& files) {
  if (files.certificate.empty() && files.key.empty()) return nullptr;
  if (files.certificate.empty() || files.key.empty()) return InvalidArgument("you must specify key and cert file if one is specified");
  auto pair = ReadPair(files);
  if (!pair.ok()) return Annotate(pair.status(), "could not load server key pair");
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) return SslError("tls");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(context.get(), &ChooseProtocol, nullptr);
  if (!ShowPair(context.get(), *pair)) return SslError("could not load server key pair");
  if (!files.ca.empty()) {
    BK_TRY(std::string authorities, ReadAuthorities(files.ca, "failed to append ca cert"));
    if (!TrustClientsOf(context.get(), authorities)) return SslError("failed to append ca cert");
  }
  ERR_clear_error();
  return context;
}

}  // namespace bk::wire
