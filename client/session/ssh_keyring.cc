#include "client/session/ssh_keyring.h"

#include "client/session/ssh_wire.h"

namespace bk::client {
namespace {

constexpr char kFailure = 5, kIdentities1 = 1, kIdentities1Answer = 2, kIdentities = 11, kIdentitiesAnswer = 12, kSign = 13, kSignAnswer = 14;

}  // namespace

void SshKeyring::Add(SshKey key) {
  for (const SshKey& held : keys_) {
    if (held.public_blob() == key.public_blob()) return;
  }
  keys_.push_back(std::move(key));
}

std::string SshKeyring::Identities() const {
  std::string out = std::string(1, kIdentitiesAnswer) + SshNumber(static_cast<uint32_t>(keys_.size()));
  for (const SshKey& key : keys_) out += SshText(key.public_blob()) + SshText("");
  return out;
}

absl::StatusOr<std::string> SshKeyring::Sign(std::string_view body) const {
  SshReader reader(body);
  std::string_view blob, data;
  uint32_t flags = 0;
  if (!reader.Text(blob) || !reader.Text(data) || !reader.Number(flags)) return InvalidArgument("bad request to an ssh agent");
  for (const SshKey& key : keys_) {
    if (key.public_blob() == blob) return key.Sign(data, flags);
  }
  return NotFound("not found");
}

std::string SshKeyring::Answer(std::string_view message) const {
  char type = message.empty() ? '\0' : message[0];
  if (type == kIdentities) return Identities();
  if (type == kIdentities1) return std::string(1, kIdentities1Answer) + SshNumber(0);
  if (type == kSign) {
    auto signature = Sign(message.substr(1));
    if (signature.ok()) return std::string(1, kSignAnswer) + SshText(*signature);
  }
  return std::string(1, kFailure);
}

absl::StatusOr<bool> AgentMessages::Next(std::string& message) {
  SshReader reader(pending_);
  uint32_t size = 0;
  if (!reader.Number(size)) return false;
  if (size == 0 || size > kMaxAgentMessage) return InvalidArgument("bad message to an ssh agent");
  if (reader.rest().size() < size) return false;
  message = reader.rest().substr(0, size);
  pending_.erase(0, 4 + size);
  return true;
}

}  // namespace bk::client
