#include "proto/wire/tls.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/os/file.h"

namespace {

using namespace bk;

std::string Text(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

struct Pems {
  std::string certificate, key, locked_key;
};

// A certificate that signs itself.
Pems MakePems() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem()), *c = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(a, certificate);
  PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_PrivateKey(c, key, EVP_aes_128_cbc(), reinterpret_cast<const unsigned char*>("word"), 4, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {Text(a), Text(b), Text(c)};
}

struct Files {
  std::string dir = "/tmp/bk-unit-tls-" + std::to_string(getpid());
  Files() { CHECK(os::MakeDirs(dir, 0700).ok()); }
  ~Files() {
    for (const std::string& path : made) unlink(path.c_str());
    rmdir(dir.c_str());
  }
  std::string operator()(const std::string& name, const std::string& content) {
    made.push_back(dir + "/" + name);
    CHECK(os::WriteFileAtomic(made.back(), content, 0600, false).ok());
    return made.back();
  }
  std::vector<std::string> made;
};

}  // namespace

TEST_CASE("a server's files are checked when they are read") {
  Files file;
  Pems one = MakePems(), two = MakePems();
  std::string certificate = file("cert", one.certificate), key = file("key", one.key), other = file("other", two.key), locked = file("locked", one.locked_key), junk = file("junk", "-----BEGIN");
  auto told = [](const wire::TlsFiles& files) {
    auto out = wire::ServerTls(files);
    return out.ok() ? std::string(*out == nullptr ? "none" : "ok") : Message(out.status());
  };
  CHECK(told({}) == "none");
  CHECK(told({.certificate = certificate, .key = key}) == "ok");
  CHECK(told({.ca = certificate, .certificate = certificate, .key = key}) == "ok");
  CHECK(told({.certificate = file("chain", one.certificate + two.certificate), .key = key}) == "ok");
  CHECK(told({.certificate = certificate}) == "you must specify key and cert file if one is specified");
  CHECK(told({.key = key}) == "you must specify key and cert file if one is specified");
  CHECK(told({.certificate = certificate, .key = other}) == "could not load server key pair: tls: private key does not match public key");
  CHECK(told({.certificate = certificate, .key = locked}).starts_with("could not load server key pair: tls: failed to find a private key without passphrase"));
  CHECK(told({.certificate = junk, .key = key}).starts_with("could not load server key pair: tls: failed to find any PEM data in certificate input"));
  CHECK(told({.certificate = certificate, .key = file.dir + "/absent"}).starts_with("could not load server key pair: "));
  CHECK(told({.ca = junk, .certificate = certificate, .key = key}).starts_with("failed to append ca cert ("));
  CHECK(told({.ca = file.dir + "/absent", .certificate = certificate, .key = key}).starts_with("could not read ca certificate: "));
}

TEST_CASE("a client trusts the given authorities alone") {
  Files file;
  Pems one = MakePems();
  std::string certificate = file("cert", one.certificate), key = file("key", one.key);
  auto told = [](const wire::TlsFiles& files) {
    auto out = wire::ClientTls(files);
    return out.ok() ? std::string("ok") : Message(out.status());
  };
  CHECK(told({.ca = certificate}) == "ok");
  CHECK(told({.ca = certificate, .certificate = certificate, .key = key}) == "ok");
  CHECK(told({.certificate = certificate, .key = key}).find("certificate signed by unknown authority") != std::string::npos);
  CHECK(told({.ca = certificate, .certificate = certificate}).starts_with("could not read certificate/key: "));
  CHECK(told({.ca = key}).starts_with("failed to append ca certs ("));
}
