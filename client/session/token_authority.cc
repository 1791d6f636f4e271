#include "client/session/token_authority.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/file.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/id.h"
#include "base/os/file.h"

namespace bk::client {
namespace {

using Json = nlohmann::ordered_json;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

constexpr size_t kSeedBytes = 16, kKeyBytes = 32, kSignatureBytes = 64;
constexpr uint64_t kMaxFileBytes = 1 << 20;

const unsigned char* Unsigned(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

Key MakeKey(const std::string& private_key) {
  return Key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Unsigned(private_key), private_key.size()), &EVP_PKEY_free);
}

bool ReadOnly(const absl::Status& status) {
  return status.code() == absl::StatusCode::kPermissionDenied || status.message().find("read-only") != absl::string_view::npos;
}

}  // namespace

absl::StatusOr<std::string> TokenAuthority::Seed(const std::string& host) const {
  BK_RETURN_IF_ERROR(os::MakeDirs(directory_, 0755));
  auto lock = os::Open(directory_ + "/.token_seed.lock", O_CREAT | O_RDWR, 0600);
  if (!lock.ok() && !ReadOnly(lock.status())) return lock.status();
  if (lock.ok()) flock(lock->get(), LOCK_EX);  // until the descriptor is closed
  std::string path = directory_ + "/.token_seed";
  Json all = Json::parse(os::ReadFile(path, kMaxFileBytes).value_or(""), nullptr, false);
  if (!all.is_object()) all = Json::object();  // also after a crash in the middle of a write
  if (all.contains(host) && all[host].is_object() && all[host].contains("Seed") && all[host]["Seed"].is_string()) {
    auto seed = Base64Decode(all[host]["Seed"].get<std::string>());
    if (seed.ok() && !seed->empty()) return seed;
  }
  std::string seed = RandomBytes(kSeedBytes);
  all[host] = {{"Seed", Base64Encode(seed)}};
  absl::Status written = os::WriteFileAtomic(path, all.dump(2), 0600, false);
  if (!written.ok() && !ReadOnly(written)) return written;
  return seed;
}

absl::StatusOr<std::string> TokenAuthority::PrivateKey(const std::string& host, std::string_view salt, bool has_secret) const {
  std::string seed;
  if (has_secret) BK_ASSIGN(seed, Seed(host));
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()), Unsigned(seed), seed.size(), sum, &size) == nullptr) return Internal("hmac failed");
  return std::string(reinterpret_cast<char*>(sum), kKeyBytes);
}

absl::StatusOr<std::string> TokenAuthority::PublicKey(const std::string& host, std::string_view salt, bool has_secret) const {
  BK_TRY(std::string private_key, PrivateKey(host, salt, has_secret));
  Key key = MakeKey(private_key);
  std::string public_key(kKeyBytes, '\0');
  size_t size = public_key.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size) != 1) return Internal("ed25519 failed");
  return public_key;
}

absl::StatusOr<std::string> TokenAuthority::Sign(const std::string& host, std::string_view salt, bool has_secret, std::string_view payload) const {
  BK_TRY(std::string private_key, PrivateKey(host, salt, has_secret));
  Key key = MakeKey(private_key);
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string out(kSignatureBytes, '\0');
  size_t size = out.size();
  if (key == nullptr || context == nullptr || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, Unsigned(payload), payload.size()) != 1) {
    return Internal("ed25519 failed");
  }
  return out.append(payload);
}

}  // namespace bk::client
