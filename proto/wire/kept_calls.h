// Calls that outlive their client's connection: they wait for it to come back instead of being cancelled.
//
// A client asks for that with headers: bk-keep-alive (a duration, "30s"), bk-keep-token (its own secret, one a build),
// bk-keep-number (of its connection: 1, 2, …) and, when a call that must not run twice is repeated, bk-keep-rejoin with the life of
// the daemon in which it was made first (trailer bk-life of ListWorkers). A call with the same token and method joins the one that
// runs, or gets the answer that it gave; a repeated one that never reached this life of the daemon begins now. Answers of such calls
// carry the trailer bk-kept, by which a client knows them from errors that gRPC makes of a broken connection. Without the headers
// everything is as ever. docs/wire.md. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <google/protobuf/message.h>

#include "base/guarded.h"
#include "proto/wire/server_call.h"

namespace bk::wire {

inline constexpr char kKeepAliveHeader[] = "bk-keep-alive", kKeepTokenHeader[] = "bk-keep-token", kKeepNumberHeader[] = "bk-keep-number", kRejoinHeader[] = "bk-keep-rejoin", kKeptTrailer[] = "bk-kept",
                      kLifeTrailer[] = "bk-life";
// No client may ask for more.
inline constexpr std::chrono::milliseconds kMostKeepAlive(60'000);

// What a client wants to happen when its connection breaks.
struct KeepWish {
  std::string token;
  std::chrono::milliseconds keep{0};
  std::string rejoin;  // the life of the daemon in which the call began, if it did; "" for a first attempt
  std::string build;  // named in the log when its client is lost and when it is back; "" for calls that are not worth a line
  int64_t number = 0;  // of the client's connection, counted by it: what comes late from an earlier one is older

  // Nothing for calls without the headers, or with values that make no sense.
  using Headers = std::multimap<std::string, std::string>;
  static std::optional<KeepWish> Of(const Headers& headers);
};

KeepWish::Headers HeadersOf(const grpc::CallbackServerContext& context);

class KeptCalls {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Message = google::protobuf::Message;
  using Work = std::function<absl::Status(const CancelToken&, Message&)>;

  // `now`: for tests, which call Expire themselves; null: the steady clock and a thread of its own.
  explicit KeptCalls(std::function<Time()> now = nullptr);
  ~KeptCalls();  // no call may run any more
  KeptCalls(const KeptCalls&) = delete;
  KeptCalls& operator=(const KeptCalls&) = delete;

  // Runs `work`, or waits for the one that runs or ran under the token and the method already. `client`: cancelled when this
  // caller's connection is gone, which cancels the work only when nobody came back within the time of the wish. NotFound when the
  // call began in another life of the daemon, or here so long ago that its answer is forgotten.
  absl::Status Run(const CancelToken& client, const KeepWish& wish, const std::string& method, const Work& work, Message& response);
  // Cancels what runs under the token; false if nothing does.
  bool Cancel(const std::string& token);
  // Of this object: no other daemon has it, nor this one after another start.
  const std::string& life() const { return life_; }
  // Cancels what waits for longer than it should, and drops old answers. Returns when there is something to do again.
  std::optional<Time> Expire();

 private:
  struct Entry;
  using Key = std::pair<std::string, std::string>;  // token, method
  struct State {
    std::map<Key, std::shared_ptr<Entry>> entries;
    bool ended = false, changed = false;
  };
  absl::Status RunNew(const CancelToken& client, const std::shared_ptr<Entry>& entry, const Work& work, Message& response);
  absl::Status Join(const CancelToken& client, const std::shared_ptr<Entry>& entry, Message& response);
  void Leave(Entry& entry);
  void Watch();
  Time Now() const;

  const std::function<Time()> now_;
  const std::string life_;
  Guarded<State> state_;
  std::thread watch_;  // begins with the first call
};

// As RunUnary, for calls that may be kept. `kept` may be null; `build`: see KeepWish.
template <typename Response>
grpc::ServerUnaryReactor* RunKept(KeptCalls* kept, const char* method, const std::string& build, TaskGroup& tasks, grpc::CallbackServerContext* context, Response* response,
                                  std::function<absl::Status(const CancelToken&, Response&)> handler) {
  std::optional<KeepWish> wish = kept == nullptr ? std::nullopt : KeepWish::Of(HeadersOf(*context));
  if (!wish.has_value()) return RunUnary<Response>(tasks, context, response, std::move(handler));
  wish->build = build;
  context->AddTrailingMetadata(kKeptTrailer, "1");
  return RunUnary<Response>(tasks, context, response, [kept, method, wish = *std::move(wish), handler = std::move(handler)](const CancelToken& client, Response& out) {
    return kept->Run(client, wish, method, [&handler](const CancelToken& cancel, google::protobuf::Message& message) { return handler(cancel, static_cast<Response&>(message)); }, out);
  });
}

}  // namespace bk::wire
