// Keys that ssh-keygen makes, in every format; signatures are checked by OpenSSL with the public half. [CTL-025]
#include "client/session/ssh_key.h"

#include <doctest/doctest.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "client/session/ssh_agent.h"
#include "client/session/ssh_keyring.h"
#include "client/session/ssh_wire.h"

using namespace bk;
using namespace bk::client;

namespace {

struct KeyFiles {
  os::TempDir directory = *os::TempDir::Make("ssh-key");
  std::string Make(const std::string& name, std::vector<std::string> arguments) {
    std::string path = directory.path() + "/" + name;
    os::ProcessOptions options;
    options.argv = {"ssh-keygen", "-q", "-C", "", "-f", path};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    if (std::find(arguments.begin(), arguments.end(), "-N") == arguments.end()) options.argv.insert(options.argv.end(), {"-N", ""});
    auto made = os::Run(CancelToken::Never(), options, "");
    REQUIRE(made.ok());
    REQUIRE(made->status.ShellCode() == 0);
    return path;
  }
};

std::string PublicBlob(const std::string& path) {
  std::string line = *os::ReadFile(path + ".pub");
  size_t start = line.find(' ') + 1;
  return *Base64Decode(line.substr(start, line.find_first_of(" \n", start) - start));
}

// The public key as ssh-keygen writes it for OpenSSL.
std::shared_ptr<EVP_PKEY> PublicKey(const std::string& path) {
  os::ProcessOptions options;
  options.argv = {"ssh-keygen", "-e", "-m", "PKCS8", "-f", path + ".pub"};
  std::string pem = os::Run(CancelToken::Never(), options, "")->out;
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  return {PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
}

bool Verifies(EVP_PKEY* key, const EVP_MD* digest, const std::string& data, const std::string& signature) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  auto bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(data), data.size()) == 1;
}

std::pair<std::string, std::string> Parts(const std::string& blob) {
  SshReader reader(blob);
  std::string_view algorithm, signature;
  REQUIRE(reader.Text(algorithm));
  REQUIRE(reader.Text(signature));
  CHECK(reader.rest().empty());
  return {std::string(algorithm), std::string(signature)};
}

// r and s as ECDSA signatures are written for OpenSSL.
std::string Der(const std::string& signature) {
  SshReader reader(signature);
  std::string_view r, s;
  REQUIRE(reader.Text(r));
  REQUIRE(reader.Text(s));
  auto number = [](std::string_view text) { return BN_bin2bn(reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()), nullptr); };
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
  REQUIRE(ECDSA_SIG_set0(pair.get(), number(r), number(s)) == 1);
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(pair.get(), &der);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

TEST_CASE("rsa keys of both formats sign with SHA-256 and SHA-512, never with SHA-1") {
  KeyFiles files;
  for (std::vector<std::string> format : {std::vector<std::string>{}, {"-m", "PEM"}, {"-m", "PKCS8"}}) {
    std::vector<std::string> arguments = {"-t", "rsa", "-b", "2048"};
    arguments.insert(arguments.end(), format.begin(), format.end());
    std::string path = files.Make("rsa" + (format.empty() ? "" : format[1]), arguments);
    auto key = SshKey::Parse(*os::ReadFile(path));
    REQUIRE(key.ok());
    CHECK(key->public_blob() == PublicBlob(path));
    auto [algorithm, signature] = Parts(*key->Sign("data", 2));
    CHECK(algorithm == "rsa-sha2-256");
    CHECK(Verifies(PublicKey(path).get(), EVP_sha256(), "data", signature));
    CHECK_FALSE(Verifies(PublicKey(path).get(), EVP_sha256(), "other", signature));
    auto [newer, longer] = Parts(*key->Sign("data", 4));
    CHECK(newer == "rsa-sha2-512");
    CHECK(Verifies(PublicKey(path).get(), EVP_sha512(), "data", longer));
    for (uint32_t flags : {0u, 1u, 6u}) CHECK_FALSE(key->Sign("data", flags).ok());
  }
}

TEST_CASE("ecdsa keys of each curve and format") {
  KeyFiles files;
  const std::pair<const char*, const EVP_MD*> curves[] = {{"256", EVP_sha256()}, {"384", EVP_sha384()}, {"521", EVP_sha512()}};
  for (auto [bits, digest] : curves) {
    for (const char* format : {"RFC4716", "PEM", "PKCS8"}) {
      std::string path = files.Make(std::string("ec") + bits + format, {"-t", "ecdsa", "-b", bits, "-m", format});
      auto key = SshKey::Parse(*os::ReadFile(path));
      REQUIRE(key.ok());
      CHECK(key->public_blob() == PublicBlob(path));
      auto [algorithm, signature] = Parts(*key->Sign("data", 0));
      CHECK(algorithm == std::string("ecdsa-sha2-nistp") + bits);
      CHECK(Verifies(PublicKey(path).get(), digest, "data", Der(signature)));
      CHECK_FALSE(key->Sign("data", 2).ok());
    }
  }
}

TEST_CASE("ed25519 keys") {
  KeyFiles files;
  std::string path = files.Make("ed", {"-t", "ed25519"}), blob = PublicBlob(path);
  auto key = SshKey::Parse(*os::ReadFile(path));
  REQUIRE(key.ok());
  CHECK(key->public_blob() == blob);
  auto [algorithm, signature] = Parts(*key->Sign("data", 0));
  CHECK(algorithm == "ssh-ed25519");
  std::string point = Parts(blob).second;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> half(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(point.data()), point.size()), &EVP_PKEY_free);
  CHECK(Verifies(half.get(), nullptr, "data", signature));
}

TEST_CASE("keys with a passphrase, of other kinds and damaged ones are refused") {
  KeyFiles files;
  auto refusal = [](const std::string& text) { return Message(SshKey::Parse(text).status()); };
  for (const char* format : {"RFC4716", "PEM"}) {
    std::string path = files.Make(std::string("locked") + format, {"-t", "ecdsa", "-m", format, "-N", "secret"});
    CHECK(refusal(*os::ReadFile(path)) == "ssh: this private key is passphrase protected");
  }
  CHECK(refusal("nothing") == "ssh: no key found");
  CHECK(refusal("-----BEGIN FOO-----\n-----END FOO-----\n") == "ssh: unsupported key type \"FOO\"");
  CHECK(refusal("-----BEGIN OPENSSH PRIVATE KEY-----\naGVsbG8=\n-----END OPENSSH PRIVATE KEY-----\n") == "ssh: invalid openssh private key format");
  CHECK_FALSE(refusal("-----BEGIN RSA PRIVATE KEY-----\naGVsbG8=\n-----END RSA PRIVATE KEY-----\n").empty());
  // Every byte of a key file damaged in turn: refused or the same public key, never a crash.
  std::string good = *os::ReadFile(files.Make("victim", {"-t", "ecdsa"}));
  for (size_t i = 0; i < good.size(); i++) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    (void)SshKey::Parse(bad);
    (void)SshKey::Parse(good.substr(0, i));
  }
}

TEST_CASE("a keyring tells its keys, signs, and refuses all else") {
  KeyFiles files;
  std::string path = files.Make("one", {"-t", "ed25519"}), blob = PublicBlob(path);
  SshKeyring ring;
  ring.Add(*SshKey::Parse(*os::ReadFile(path)));
  ring.Add(*SshKey::Parse(*os::ReadFile(path)));
  CHECK(ring.Answer("\x0b") == "\x0c" + SshNumber(1) + SshText(blob) + SshText(""));
  CHECK(ring.Answer("\x0d" + SshText(blob) + SshText("data") + SshNumber(0))[0] == 14);
  const std::string refused(1, '\5');
  CHECK(ring.Answer("\x0d" + SshText("other") + SshText("data") + SshNumber(0)) == refused);
  CHECK(ring.Answer("\x0d" + SshText(blob) + SshNumber(0xffffffff)) == refused);
  for (char type : {'\x11', '\x12', '\x13', '\x16', '\x17', '\x1b', '\x7f'}) CHECK(ring.Answer(std::string(1, type) + SshText("x")) == refused);
}

TEST_CASE("keys and sockets of one agent") {
  KeyFiles files;
  std::string path = files.Make("key", {"-t", "ed25519"});
  CHECK(MakeSshAgents({{"a", {path, path}}, {"b", {path}}}).ok());
  auto failure = [](const std::vector<SshAgentSource>& sources) { return Message(MakeSshAgents(sources).status()); };
  CHECK(failure({{"a", {path}}, {"a", {path}}}) == "duplicate agent ID \"a\"");
  CHECK(failure({{"a", {path}, true}}).ends_with("raw mode only supported with socket paths"));
}

}  // namespace
