// What frontends were told of URLs: the build that asked gets that same content, although the server may have another by now.
//
// Kept by session, for five minutes or until the session ends; the record is held meanwhile. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "daemon/session/session.h"
#include "daemon/source/http/key.h"

namespace bk::source::http {

// A download with the record that holds it.
struct Fetched {
  Resolved resolved;
  cache::ImmutablePtr ref;
};

class SessionMemory {
 public:
  explicit SessionMemory(session::Manager* sessions) : sessions_(sessions) {}
  ~SessionMemory() { Forget([](const Key&, const Entry&) { return true; }); }
  // Of the first session; nothing is kept without one.
  void Remember(const CancelToken& cancel, const std::vector<std::string>& session_ids, const Digest& request, const Fetched& fetched);
  std::optional<Fetched> Find(const std::vector<std::string>& session_ids, const Digest& request);

 private:
  using Key = std::pair<std::string, Digest>;  // session and request
  struct Entry {
    Fetched fetched;
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

}  // namespace bk::source::http
