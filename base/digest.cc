#include "base/digest.h"

#include <openssl/evp.h>

#include <cctype>

namespace bk {
namespace {

const EVP_MD* Sha256Algorithm() {
  // Fetched once: an implicit fetch per context costs three times the hash of a short message.
  static const EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

bool AlgorithmIsWellFormed(std::string_view text) {
  if (text.empty()) return false;
  bool separator = true;  // components are [a-z0-9]+ joined by one of [+._-]
  for (char c : text) {
    bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!part && (separator || std::string_view("+._-").find(c) == std::string_view::npos)) return false;
    separator = !part;
  }
  return !separator;
}

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode64(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = static_cast<uint8_t>(bytes[i]) << 16;
    if (i + 1 < bytes.size()) word |= static_cast<uint8_t>(bytes[i + 1]) << 8;
    if (i + 2 < bytes.size()) word |= static_cast<uint8_t>(bytes[i + 2]);
    out += alphabet[word >> 18];
    out += alphabet[(word >> 12) & 63];
    out += i + 1 < bytes.size() ? alphabet[(word >> 6) & 63] : '=';
    out += i + 2 < bytes.size() ? alphabet[word & 63] : '=';
  }
  return out;
}

int Value64(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

}  // namespace

absl::StatusOr<Digest> Digest::Parse(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    return InvalidArgument("invalid checksum digest format");
  }
  std::string_view algorithm = text.substr(0, colon);
  std::string_view hex = text.substr(colon + 1);
  if (!AlgorithmIsWellFormed(algorithm)) return InvalidArgument("invalid checksum digest format");
  for (char c : hex) {
    bool known = std::isalnum(static_cast<unsigned char>(c)) || c == '=' || c == '_' || c == '-';
    if (!known) return InvalidArgument("invalid checksum digest format");
  }
  size_t want = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : algorithm == "sha512" ? 128 : 0;
  if (want == 0) return InvalidArgument("unsupported digest algorithm");
  if (hex.size() != want) return InvalidArgument("invalid checksum digest length");
  for (char c : hex) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return InvalidArgument("invalid checksum digest format");
  }
  Digest digest;
  digest.text_ = text;
  return digest;
}

Digest Digest::FromParts(std::string_view algorithm, std::string_view hex) {
  Digest digest;
  digest.text_ = StrCat(algorithm, ':', hex);
  return digest;
}

Digest Digest::FromSha256(const std::array<uint8_t, 32>& bytes) {
  return FromParts("sha256", HexEncode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

std::string_view Digest::algorithm() const {
  return std::string_view(text_).substr(0, text_.find(':') == std::string::npos ? 0 : text_.find(':'));
}

std::string_view Digest::hex() const {
  size_t colon = text_.find(':');
  return colon == std::string::npos ? std::string_view() : std::string_view(text_).substr(colon + 1);
}

struct Sha256::Context {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  Context() { EVP_DigestInit_ex2(ctx, Sha256Algorithm(), nullptr); }
  ~Context() { EVP_MD_CTX_free(ctx); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view bytes) { EVP_DigestUpdate(context_->ctx, bytes.data(), bytes.size()); }

std::array<uint8_t, 32> Sha256::Finish() {
  std::array<uint8_t, 32> out;
  unsigned size = out.size();
  EVP_DigestFinal_ex(context_->ctx, out.data(), &size);
  EVP_DigestInit_ex2(context_->ctx, Sha256Algorithm(), nullptr);
  return out;
}

std::array<uint8_t, 32> Sha256Of(std::string_view bytes) {
  thread_local Sha256 hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

Digest DigestOf(std::string_view bytes) { return Digest::FromSha256(Sha256Of(bytes)); }

std::string HexEncode(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char c : bytes) {
    out += kHex[c >> 4];
    out += kHex[c & 15];
  }
  return out;
}

absl::StatusOr<std::string> HexDecode(std::string_view hex) {
  auto value = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) return InvalidArgument("odd length hex string");
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    int high = value(hex[i]), low = value(hex[i + 1]);
    if (high < 0 || low < 0) return InvalidArgument("invalid hex byte in ", Quote(hex));
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string Base64Encode(std::string_view bytes) { return Encode64(bytes, kStandard); }
std::string Base64UrlEncode(std::string_view bytes) { return Encode64(bytes, kUrl); }

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string out;
  uint32_t word = 0;
  int bits = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] != '='; i++) {
    if (text[i] == '\n' || text[i] == '\r') continue;
    int value = Value64(text[i]);
    if (value < 0) return InvalidArgument("illegal base64 data at input byte ", i);
    word = word << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  for (; i < text.size(); i++) {
    if (text[i] != '=' && text[i] != '\n' && text[i] != '\r') return InvalidArgument("illegal base64 data at input byte ", i);
  }
  if (bits >= 6) return InvalidArgument("illegal base64 data at input byte ", text.size());
  return out;
}

}  // namespace bk
