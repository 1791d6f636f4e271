#include "proto/wire/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/os/file.h"

namespace bk::wire {
namespace {

constexpr uint64_t kMaxPemBytes = 4 << 20;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Certificate FirstCertificate(const std::string& pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  Certificate out(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  ERR_clear_error();
  return out;
}

// A key with a passphrase is no key: nobody is there to be asked.
int NoPassphrase(char*, int, int, void*) { return -1; }

struct Pair {
  std::string certificate, key;  // PEM
};

absl::StatusOr<Pair> ReadPair(const TlsFiles& files) {
  Pair pair;
  BK_ASSIGN(pair.certificate, os::ReadFile(files.certificate, kMaxPemBytes));
  BK_ASSIGN(pair.key, os::ReadFile(files.key, kMaxPemBytes));
  Certificate certificate = FirstCertificate(pair.certificate);
  if (certificate == nullptr) return InvalidArgument("tls: failed to find any PEM data in certificate input ", Quote(files.certificate));
  Bio bio(BIO_new_mem_buf(pair.key.data(), static_cast<int>(pair.key.size())), &BIO_free);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr), &EVP_PKEY_free);
  bool fits = key != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (key == nullptr) return InvalidArgument("tls: failed to find a private key without passphrase in key input ", Quote(files.key));
  if (!fits) return InvalidArgument("tls: private key does not match public key");
  return pair;
}

absl::StatusOr<std::string> ReadAuthorities(const std::string& path, const char* complaint) {
  auto pem = os::ReadFile(path, kMaxPemBytes);
  if (!pem.ok()) return Annotate(pem.status(), "could not read ca certificate");
  if (FirstCertificate(*pem) == nullptr) return InvalidArgument(complaint, " (", Quote(path), " holds no certificate in PEM)");
  return pem;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files) {
  grpc::SslCredentialsOptions options;
  if (!files.ca.empty()) BK_ASSIGN(options.pem_root_certs, ReadAuthorities(files.ca, "failed to append ca certs"));
  if (!files.certificate.empty() || !files.key.empty()) {
    auto pair = ReadPair(files);
    if (!pair.ok()) return Annotate(pair.status(), "could not read certificate/key");
    options.pem_cert_chain = std::move(pair->certificate);
    options.pem_private_key = std::move(pair->key);
  }
  return grpc::SslCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(const TlsFiles& files) {
  if (files.certificate.empty() && files.key.empty()) return nullptr;
  if (files.certificate.empty() || files.key.empty()) return InvalidArgument("you must specify key and cert file if one is specified");
  auto pair = ReadPair(files);
  if (!pair.ok()) return Annotate(pair.status(), "could not load server key pair");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({std::move(pair->key), std::move(pair->certificate)});
  if (!files.ca.empty()) {
    BK_ASSIGN(options.pem_root_certs, ReadAuthorities(files.ca, "failed to append ca cert"));
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace bk::wire
