#include "daemon/source/http/checksum.h"

#include <openssl/evp.h>

namespace bk::source::http {

struct Checksum::State {
  std::string algorithm;
  const EVP_MD* type;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
  void Begin() { EVP_DigestInit_ex(context, type, nullptr); }
};

Checksum::Checksum(std::unique_ptr<State> state) : state_(std::move(state)) { state_->Begin(); }
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;
Checksum::~Checksum() = default;

absl::StatusOr<Checksum> Checksum::Create(std::string_view algorithm) {
  const EVP_MD* type = algorithm == "sha256" ? EVP_sha256() : algorithm == "sha384" ? EVP_sha384() : algorithm == "sha512" ? EVP_sha512() : nullptr;
  if (type == nullptr) return InvalidArgument("unsupported checksum algorithm ", Quote(algorithm));
  return Checksum(std::unique_ptr<State>(new State{std::string(algorithm), type}));
}

void Checksum::Update(std::string_view bytes) { EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()); }

Digest Checksum::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(state_->context, bytes, &size);
  state_->Begin();
  return Digest::FromParts(state_->algorithm, HexEncode({reinterpret_cast<const char*>(bytes), size}));
}

}  // namespace bk::source::http
