// What frontends were told of sources: the build that asked gets that same content, although the server may have another by now.
//
// Kept by session, for five minutes or until the session ends; what a value holds is held meanwhile. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "daemon/session/session.h"

namespace bk::source {

template <typename Value>
class SessionMemory {
 public:
  explicit SessionMemory(session::Manager* sessions) : sessions_(sessions) {}
  ~SessionMemory() { Forget([](const Key&, const Entry&) { return true; }); }

  // Of the first session; nothing is kept without one. `what` tells requests apart.
  void Remember(const CancelToken& cancel, const std::vector<std::string>& session_ids, const std::string& what, const Value& value) {
    if (session_ids.empty()) return;
    const Key key(session_ids[0], what);
    auto client = sessions_->Get(cancel, key.first, true);
    if (!client.ok()) return;
    auto now = std::chrono::steady_clock::now();
    Forget([&](const Key& other, const Entry& entry) { return entry.end < now || other == key; });
    Entry entry{value, now + kKeep, *client, nullptr};
    bool kept = entries_.With([&](auto& entries) { return entries.size() < kMaxEntries && entries.try_emplace(key, std::move(entry)).second; });
    if (!kept) return;
    auto at_end = std::make_unique<CancelCallback>((*client)->gone(), [this, id = key.first] { Forget([&](const Key& other, const Entry&) { return other.first == id; }); });
    entries_.With([&](auto& entries) {
      auto found = entries.find(key);
      if (found != entries.end() && found->second.at_end_of_session == nullptr) found->second.at_end_of_session = std::move(at_end);
    });
  }

  std::optional<Value> Find(const std::vector<std::string>& session_ids, const std::string& what) {
    auto now = std::chrono::steady_clock::now();
    Forget([&](const Key&, const Entry& entry) { return entry.end < now; });
    return entries_.With([&](auto& entries) -> std::optional<Value> {
      for (const std::string& id : session_ids) {
        if (auto found = entries.find(Key(id, what)); found != entries.end()) return found->second.value;
      }
      return std::nullopt;
    });
  }

 private:
  static constexpr std::chrono::minutes kKeep{5};
  static constexpr size_t kMaxEntries = 256;

  using Key = std::pair<std::string, std::string>;  // session and request
  struct Entry {
    Value value;
    std::chrono::steady_clock::time_point end;
    std::shared_ptr<session::Session> session;
    std::unique_ptr<CancelCallback> at_end_of_session;
  };
  // Entries end outside of the lock: a callback may be waiting for it.
  template <typename F>
  void Forget(F&& doomed) {
    std::vector<Entry> ended;
    entries_.With([&](auto& entries) {
      for (auto it = entries.begin(); it != entries.end();) {
        if (!doomed(it->first, it->second)) {
          ++it;
          continue;
        }
        ended.push_back(std::move(it->second));
        it = entries.erase(it);
      }
    });
  }

  session::Manager* const sessions_;
  Guarded<std::map<Key, Entry>> entries_;
};

}  // namespace bk::source
