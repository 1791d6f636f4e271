#include "client/session/ssh_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <vector>

#include "base/digest.h"
#include "client/session/ssh_wire.h"

namespace bk::client {
namespace {

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* object) const { Free(object); }
};
using Number = std::unique_ptr<BIGNUM, Deleter<BIGNUM, BN_clear_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using Handle = std::shared_ptr<EVP_PKEY>;

constexpr std::string_view kMagic("openssh-key-v1\0", 15), kEcdsa = "ecdsa-sha2-", kRsa = "ssh-rsa", kEd25519 = "ssh-ed25519";
constexpr int kMaxRsaBits = 8192, kMaxPrimeBits = 4096, kMaxExponentBits = 24;
constexpr size_t kEd25519PrivateBytes = 64, kEd25519PublicBytes = 32;
constexpr uint32_t kRsaSha256 = 2, kRsaSha512 = 4;

struct Curve {
  const char *name, *group;  // of ssh and of OpenSSL
  const EVP_MD* (*digest)();
};
constexpr Curve kCurves[] = {{"nistp256", "prime256v1", &EVP_sha256}, {"nistp384", "secp384r1", &EVP_sha384}, {"nistp521", "secp521r1", &EVP_sha512}};

const unsigned char* Unsigned(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* Unsigned(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
Handle Own(EVP_PKEY* key) { return Handle(key, &EVP_PKEY_free); }
Number ReadNumber(std::string_view bytes) { return Number(BN_bin2bn(Unsigned(bytes), static_cast<int>(bytes.size()), nullptr)); }
absl::Status Malformed() { return InvalidArgument("ssh: malformed OpenSSH key"); }
absl::Status PassphraseMissing() { return InvalidArgument("ssh: this private key is passphrase protected"); }

// A key of its parts, if they belong together.
absl::StatusOr<Handle> FromParts(const char* kind, OSSL_PARAM_BLD* builder) {
  std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM, OSSL_PARAM_free>> parts(OSSL_PARAM_BLD_to_param(builder));
  Context context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  bool made = parts != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
              EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parts.get()) == 1;
  Handle owned = Own(key);
  Context check(made ? EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr) : nullptr);
  bool whole = check != nullptr && EVP_PKEY_pairwise_check(check.get()) == 1;
  ERR_clear_error();
  if (!whole) return InvalidArgument("ssh: public key does not match private key");
  return owned;
}

using Builder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;

absl::StatusOr<Handle> ReadRsa(SshReader& reader) {
  std::string_view texts[6];  // n, e, d, 1/q mod p, p, q
  for (std::string_view& text : texts) {
    if (!reader.Text(text) || text.empty() || (text[0] & 0x80) != 0) return Malformed();
  }
  Number n = ReadNumber(texts[0]), e = ReadNumber(texts[1]), d = ReadNumber(texts[2]), inverse = ReadNumber(texts[3]), p = ReadNumber(texts[4]), q = ReadNumber(texts[5]);
  if (!n || !e || !d || !inverse || !p || !q) return Internal("out of memory");
  if (BN_num_bits(n.get()) > kMaxRsaBits) return InvalidArgument("ssh: rsa modulus too large");
  if (BN_num_bits(p.get()) > kMaxPrimeBits || BN_num_bits(q.get()) > kMaxPrimeBits) return InvalidArgument("ssh: rsa prime too large");
  if (BN_num_bits(e.get()) > kMaxExponentBits) return InvalidArgument("ssh: exponent too large");
  if (BN_get_word(e.get()) < 3 || BN_is_odd(e.get()) == 0) return InvalidArgument("ssh: incorrect exponent");
  if (BN_num_bits(p.get()) < 2 || BN_num_bits(q.get()) < 2 || BN_num_bits(d.get()) > kMaxRsaBits) return Malformed();
  std::unique_ptr<BN_CTX, Deleter<BN_CTX, BN_CTX_free>> scratch(BN_CTX_new());
  Number p1(BN_dup(p.get())), q1(BN_dup(q.get())), dp(BN_new()), dq(BN_new());
  if (!scratch || !p1 || !q1 || !dp || !dq || BN_sub_word(p1.get(), 1) != 1 || BN_sub_word(q1.get(), 1) != 1) return Internal("out of memory");
  if (BN_mod(dp.get(), d.get(), p1.get(), scratch.get()) != 1 || BN_mod(dq.get(), d.get(), q1.get(), scratch.get()) != 1) return Malformed();
  Builder builder(OSSL_PARAM_BLD_new());
  const std::pair<const char*, BIGNUM*> parts[] = {
      {OSSL_PKEY_PARAM_RSA_N, n.get()},        {OSSL_PKEY_PARAM_RSA_E, e.get()},        {OSSL_PKEY_PARAM_RSA_D, d.get()},
      {OSSL_PKEY_PARAM_RSA_FACTOR1, p.get()},  {OSSL_PKEY_PARAM_RSA_FACTOR2, q.get()},  {OSSL_PKEY_PARAM_RSA_EXPONENT1, dp.get()},
      {OSSL_PKEY_PARAM_RSA_EXPONENT2, dq.get()}, {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, inverse.get()}};
  for (auto [name, number] : parts) {
    if (OSSL_PARAM_BLD_push_BN(builder.get(), name, number) != 1) return Internal("out of memory");
  }
  return FromParts("RSA", builder.get());
}

absl::StatusOr<Handle> ReadEcdsa(SshReader& reader) {
  std::string_view name, point, secret;
  if (!reader.Text(name) || !reader.Text(point) || !reader.Text(secret)) return Malformed();
  for (const Curve& curve : kCurves) {
    if (name != curve.name) continue;
    Number d = ReadNumber(secret);
    Builder builder(OSSL_PARAM_BLD_new());
    bool made = d != nullptr && OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1 &&
                OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get()) == 1;
    if (!made) return Malformed();
    return FromParts("EC", builder.get());
  }
  return InvalidArgument("ssh: unhandled elliptic curve: ", name);
}

absl::StatusOr<Handle> ReadEd25519(SshReader& reader) {
  std::string_view point, secret;
  if (!reader.Text(point) || !reader.Text(secret)) return Malformed();
  if (secret.size() != kEd25519PrivateBytes) return InvalidArgument("ssh: private key unexpected length");
  Handle key = Own(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Unsigned(secret), kEd25519PublicBytes));
  return key != nullptr ? absl::StatusOr<Handle>(key) : Malformed();
}

// The bytes between "-----BEGIN kind-----" and its end.
struct Block {
  std::string_view kind, body;
};
bool FindBlock(std::string_view file, Block& out) {
  constexpr std::string_view kBegin = "-----BEGIN ", kDashes = "-----";
  size_t begin = file.find(kBegin);
  if (begin == std::string_view::npos) return false;
  std::string_view rest = file.substr(begin + kBegin.size());
  size_t dashes = rest.find(kDashes);
  if (dashes == std::string_view::npos || rest.substr(0, dashes).find('\n') != std::string_view::npos) return false;
  out.kind = rest.substr(0, dashes);
  size_t end = rest.find("-----END " + std::string(out.kind) + "-----", dashes);
  if (end == std::string_view::npos) return false;
  out.body = rest.substr(dashes + kDashes.size(), end - dashes - kDashes.size());
  return true;
}

std::string WithoutSpaces(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') out += c;
  }
  return out;
}

std::string Bytes(const BIGNUM* number) {
  std::string out(static_cast<size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, Unsigned(out));
  return out;
}

std::string NumberOf(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return "";
  Number owned(number);
  return Bytes(number);
}

const Curve* CurveOf(EVP_PKEY* key) {
  char group[80] = "";
  size_t size = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size) != 1) return nullptr;
  for (const Curve& curve : kCurves) {
    if (std::string_view(group) == curve.group) return &curve;
  }
  return nullptr;
}

// The point, not compressed, whatever form the file has.
std::string PointOf(EVP_PKEY* key) {
  std::string x = NumberOf(key, OSSL_PKEY_PARAM_EC_PUB_X), y = NumberOf(key, OSSL_PKEY_PARAM_EC_PUB_Y);
  size_t width = static_cast<size_t>(EVP_PKEY_get_bits(key) + 7) / 8;
  if (x.size() > width || y.size() > width) return "";
  return "\x04" + std::string(width - x.size(), '\0') + x + std::string(width - y.size(), '\0') + y;
}

// r and s of a signature in DER as two integers of ssh.
absl::StatusOr<std::string> EcdsaNumbers(const std::string& der) {
  const unsigned char* at = Unsigned(std::string_view(der));
  std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG, ECDSA_SIG_free>> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (signature == nullptr) return Internal("ecdsa failed");
  return SshInteger(Bytes(ECDSA_SIG_get0_r(signature.get()))) + SshInteger(Bytes(ECDSA_SIG_get0_s(signature.get())));
}

}  // namespace

absl::StatusOr<SshKey::Handle> SshKey::ParseOpenSsh(std::string_view blob) {
  if (!blob.starts_with(kMagic)) return InvalidArgument("ssh: invalid openssh private key format");
  SshReader reader(blob.substr(kMagic.size()));
  std::string_view cipher, kdf, kdf_options, public_key, secret, kind;
  uint32_t keys = 0, check1 = 0, check2 = 0;
  if (!reader.Text(cipher) || !reader.Text(kdf) || !reader.Text(kdf_options) || !reader.Number(keys)) return Malformed();
  if (keys != 1) return InvalidArgument("ssh: multi-key files are not supported");
  if (!reader.Text(public_key) || !reader.Text(secret)) return Malformed();
  if (cipher != "none" || kdf != "none") return PassphraseMissing();
  SshReader inner(secret);
  if (!inner.Number(check1) || !inner.Number(check2) || check1 != check2 || !inner.Text(kind)) return Malformed();
  if (kind == kRsa) return ReadRsa(inner);
  if (kind == kEd25519) return ReadEd25519(inner);
  if (kind.starts_with(kEcdsa)) return ReadEcdsa(inner);
  return InvalidArgument("ssh: unhandled key type");
}

absl::StatusOr<SshKey> SshKey::Parse(std::string_view file) {
  Block block;
  if (!FindBlock(file, block)) return InvalidArgument("ssh: no key found");
  if (block.body.find("ENCRYPTED") != std::string_view::npos && block.body.find("Proc-Type:") != std::string_view::npos) return PassphraseMissing();
  if (block.kind == "OPENSSH PRIVATE KEY") {
    auto blob = Base64Decode(WithoutSpaces(block.body));
    if (!blob.ok()) return InvalidArgument("ssh: no key found");
    BK_TRY(Handle key, ParseOpenSsh(*blob));
    return Of(std::move(key));
  }
  bool known = block.kind == "RSA PRIVATE KEY" || block.kind == "PRIVATE KEY" || block.kind == "EC PRIVATE KEY";
  if (!known) return InvalidArgument("ssh: unsupported key type ", Quote(block.kind));
  std::string_view from = file.substr(file.find("-----BEGIN "));
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(from.data(), static_cast<int>(from.size())), &BIO_free);
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  Handle key = Own(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) return InvalidArgument("ssh: the ", block.kind, " is damaged");
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1 && EVP_PKEY_get_bits(key.get()) > kMaxRsaBits) return InvalidArgument("ssh: rsa modulus too large");
  return Of(std::move(key));
}

absl::StatusOr<SshKey> SshKey::Of(Handle key) {
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    std::string blob = SshText(kRsa) + SshInteger(NumberOf(key.get(), OSSL_PKEY_PARAM_RSA_E)) + SshInteger(NumberOf(key.get(), OSSL_PKEY_PARAM_RSA_N));
    return SshKey(std::move(key), std::string(kRsa), std::move(blob));
  }
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) {
    std::string point(kEd25519PublicBytes, '\0');
    size_t size = point.size();
    if (EVP_PKEY_get_raw_public_key(key.get(), Unsigned(point), &size) != 1) return Internal("ed25519 failed");
    return SshKey(std::move(key), std::string(kEd25519), SshText(kEd25519) + SshText(point));
  }
  const Curve* curve = EVP_PKEY_is_a(key.get(), "EC") == 1 ? CurveOf(key.get()) : nullptr;
  if (curve == nullptr) return InvalidArgument("ssh: unsupported key type (rsa, ecdsa with nistp256, nistp384 or nistp521, and ed25519 are built)");
  std::string kind = StrCat(kEcdsa, std::string_view(curve->name)), point = PointOf(key.get());
  std::string blob = SshText(kind) + SshText(curve->name) + SshText(point);
  return SshKey(std::move(key), std::move(kind), std::move(blob));
}

absl::StatusOr<std::string> SshKey::Sign(std::string_view data, uint32_t flags) const {
  const EVP_MD* digest = nullptr;
  std::string algorithm = kind_;
  if (kind_ == kRsa) {
    if (flags != kRsaSha256 && flags != kRsaSha512) return InvalidArgument("rsa signs with SHA-256 or SHA-512 only");
    digest = flags == kRsaSha256 ? EVP_sha256() : EVP_sha512();
    algorithm = flags == kRsaSha256 ? "rsa-sha2-256" : "rsa-sha2-512";
  } else if (flags != 0) {
    return InvalidArgument("unsupported signature flags: ", flags);
  } else if (const Curve* curve = CurveOf(key_.get()); kind_ != kEd25519 && curve != nullptr) {
    digest = curve->digest();
  }
  std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX, EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  size_t size = 0;
  bool ready = context != nullptr && EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
               EVP_DigestSign(context.get(), nullptr, &size, Unsigned(data), data.size()) == 1;
  std::string signature(size, '\0');
  bool made = ready && EVP_DigestSign(context.get(), Unsigned(signature), &size, Unsigned(data), data.size()) == 1;
  ERR_clear_error();
  if (!made) return Internal("cannot sign with a key of kind ", kind_);
  signature.resize(size);
  if (kind_.starts_with(kEcdsa)) BK_ASSIGN(signature, EcdsaNumbers(signature));
  return SshText(algorithm) + SshText(signature);
}

}  // namespace bk::client
