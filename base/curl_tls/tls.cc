#include "base/curl_tls/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/os/file.h"

namespace bk {
namespace {

constexpr char kSystemBundle[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr uint64_t kMaxCertificateBytes = 4 << 20;  // of one file

using KeyPairs = std::vector<TlsOptions::KeyPair>;

// Where an SSL_CTX keeps its KeyPairs; they end with it.
int KeyPairsIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, [](void*, void* pairs, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<KeyPairs*>(pairs); });
  return index;
}

// Whether one of `issuers` (of the server's request) issued the first certificate in the file, or one of those behind it.
bool IsIssuedBy(const std::string& file, const STACK_OF(X509_NAME) * issuers) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
  while (bio != nullptr) {
    std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (certificate == nullptr) return false;
    for (int i = 0; i < sk_X509_NAME_num(issuers); i++) {
      if (X509_NAME_cmp(X509_get_issuer_name(certificate.get()), sk_X509_NAME_value(issuers, i)) == 0) return true;
    }
  }
  return false;
}

// SSL_CTX_set_cert_cb(3): the server has asked for a certificate.
int ChooseCertificate(SSL* ssl, void*) {
  auto* pairs = static_cast<const KeyPairs*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), KeyPairsIndex()));
  const STACK_OF(X509_NAME)* issuers = SSL_get0_peer_CA_list(ssl);
  if (pairs == nullptr || issuers == nullptr || sk_X509_NAME_num(issuers) == 0) return 1;  // the first one is set already
  for (const auto& pair : *pairs) {
    if (!IsIssuedBy(pair.cert_file, issuers)) continue;
    bool used = SSL_use_certificate_chain_file(ssl, pair.cert_file.c_str()) == 1 && SSL_use_PrivateKey_file(ssl, pair.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    return used ? 1 : 0;
  }
  return 1;
}

CURLcode OnContext(CURL*, void* context, void* user) {
  auto* ctx = static_cast<SSL_CTX*>(context);
  auto pairs = std::make_unique<KeyPairs>(static_cast<const TlsOptions*>(user)->key_pairs);
  if (SSL_CTX_set_ex_data(ctx, KeyPairsIndex(), pairs.get()) != 1) return CURLE_OUT_OF_MEMORY;
  (void)pairs.release();
  SSL_CTX_set_cert_cb(ctx, ChooseCertificate, nullptr);
  return CURLE_OK;
}

}  // namespace

absl::Status SetTls(CURL* easy, const TlsOptions& tls) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L);
  const char* given = getenv("SSL_CERT_FILE");
  std::string bundle = given != nullptr && *given != '\0' ? given : "";
  if (!bundle.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, bundle.c_str());
  if (!tls.ca_files.empty()) {
    std::string all = os::ReadFile(bundle.empty() ? kSystemBundle : bundle).value_or("");
    for (const std::string& file : tls.ca_files) {
      auto pem = os::ReadFile(file, kMaxCertificateBytes);
      if (!pem.ok()) return Annotate(pem.status(), "failed to read certificate authority");
      all += "\n" + *pem;
    }
    curl_blob blob{all.data(), all.size(), CURL_BLOB_COPY};
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  for (const auto& pair : tls.key_pairs) {
    for (const std::string& file : {pair.cert_file, pair.key_file}) {
      if (access(file.c_str(), R_OK) != 0) return Annotate(ErrnoError(errno, StrCat("open ", Quote(file))), StrCat("failed to load keypair for ", pair.cert_file));
    }
  }
  if (tls.key_pairs.empty()) return absl::OkStatus();
  // Set although another one may be chosen: a connection is used again only for requests with the same certificate.
  curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.key_pairs[0].cert_file.c_str());
  curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_pairs[0].key_file.c_str());
  if (tls.key_pairs.size() > 1) {
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, OnContext);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, const_cast<TlsOptions*>(&tls));
  }
  return absl::OkStatus();
}

}  // namespace bk
