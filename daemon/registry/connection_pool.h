// Handles of libcurl that keep their connections between requests: whoever asks a host again gets a connection that is open.
//
// A handle belongs to one thread at a time, so one is taken for a request and given back. What was not used for a minute is
// closed when the pool is next used, and the longest unused when there are too many. Internal to daemon/registry. Thread-safe.
#pragma once

#include <curl/curl.h>

#include <list>
#include <memory>
#include <string>

#include "base/guarded.h"

namespace bk::registry {

// One handle with its connections.
struct Channel {
  explicit Channel(std::string used_for) : origin(std::move(used_for)), multi(Begun() ? curl_multi_init() : nullptr), easy(curl_easy_init()) {}
  ~Channel() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  // With the first channel of all, not at the daemon's start: it loads the library.
  static bool Begun() {
    static const bool begun = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return begun;
  }
  const std::string origin;
  CURLM* const multi;
  CURL* const easy;
};
using ChannelPtr = std::unique_ptr<Channel>;

class ConnectionPool {
 public:
  // `origin`: scheme, host and port. A new one if none is idle that was used for it.
  ChannelPtr Take(const std::string& origin);
  void Give(ChannelPtr channel);

 private:
  struct Idle {
    ChannelPtr channel;
    int64_t since_ns;
  };
  Guarded<std::list<Idle>> idle_;  // the longest unused first
};

}  // namespace bk::registry
