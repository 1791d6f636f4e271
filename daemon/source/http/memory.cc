#include "daemon/source/http/memory.h"

namespace bk::source::http {
namespace {

constexpr std::chrono::minutes kKeep(5);
constexpr size_t kMaxEntries = 256;

}  // namespace

void SessionMemory::Remember(const CancelToken& cancel, const std::vector<std::string>& session_ids, const Digest& request, const Fetched& fetched) {
  if (session_ids.empty()) return;
  const std::string& id = session_ids[0];
  auto client = sessions_->Get(cancel, id, true);
  if (!client.ok()) return;
  auto now = std::chrono::steady_clock::now();
  Forget([&](const Key& key, const Entry& entry) { return entry.end < now || key == Key(id, request); });
  Entry entry{fetched, now + kKeep, *client, nullptr};
  bool kept = entries_.With([&](auto& entries) { return entries.size() < kMaxEntries && entries.try_emplace(Key(id, request), std::move(entry)).second; });
  if (!kept) return;
  auto at_end = std::make_unique<CancelCallback>((*client)->gone(), [this, id] { Forget([&](const Key& key, const Entry&) { return key.first == id; }); });
  entries_.With([&](auto& entries) {
    auto found = entries.find(Key(id, request));
    if (found != entries.end() && found->second.at_end_of_session == nullptr) found->second.at_end_of_session = std::move(at_end);
  });
}

std::optional<Fetched> SessionMemory::Find(const std::vector<std::string>& session_ids, const Digest& request) {
  auto now = std::chrono::steady_clock::now();
  Forget([&](const Key&, const Entry& entry) { return entry.end < now; });
  return entries_.With([&](auto& entries) -> std::optional<Fetched> {
    for (const std::string& id : session_ids) {
      if (auto found = entries.find(Key(id, request)); found != entries.end()) return found->second.fetched;
    }
    return std::nullopt;
  });
}

}  // namespace bk::source::http
