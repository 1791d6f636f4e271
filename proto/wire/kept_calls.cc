#include "proto/wire/kept_calls.h"

#include <algorithm>

#include "base/go_parse.h"
#include "base/id.h"
#include "base/log.h"

namespace bk::wire {
namespace {

constexpr size_t kMostTokenBytes = 128;
// Answers that wait for a client that may have missed them; the oldest go first.
constexpr size_t kMostAnswers = 512;

std::string First(const KeepWish::Headers& headers, const char* key) {
  auto it = headers.find(key);
  return it == headers.end() ? "" : it->second;
}

}  // namespace

KeepWish::Headers HeadersOf(const grpc::CallbackServerContext& context) {
  KeepWish::Headers headers;
  for (const auto& [key, value] : context.client_metadata()) headers.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  return headers;
}

std::optional<KeepWish> KeepWish::Of(const Headers& headers) {
  KeepWish wish;
  wish.token = First(headers, kKeepTokenHeader);
  auto keep_ns = ParseDurationNs(First(headers, kKeepAliveHeader));
  if (wish.token.empty() || wish.token.size() > kMostTokenBytes || !keep_ns.ok() || *keep_ns <= 0) return std::nullopt;
  wish.keep = std::min(kMostKeepAlive, std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(*keep_ns)));
  wish.number = ParseInt(First(headers, kKeepNumberHeader)).value_or(0);
  wish.rejoin = First(headers, kRejoinHeader);
  return wish;
}

struct KeptCalls::Entry {
  CancelSource cancel;
  std::string build;
  std::chrono::milliseconds keep{0};
  std::unique_ptr<Message> response;
  absl::Status status;
  int clients = 0;  // that wait for the answer
  bool done = false, forgotten = false;  // forgotten: done, and what it answered is gone
  std::optional<Time> deadline;  // of what nobody waits for
};

KeptCalls::KeptCalls(std::function<Time()> now) : now_(std::move(now)), life_(NewId()) {}

KeptCalls::~KeptCalls() {
  state_.Change([](State& s) { s.ended = true; });
  if (watch_.joinable()) watch_.join();
}

KeptCalls::Time KeptCalls::Now() const { return now_ ? now_() : std::chrono::steady_clock::now(); }

absl::Status KeptCalls::Run(const CancelToken& client, const KeepWish& wish, const std::string& method, const Work& work, Message& response) {
  std::shared_ptr<Entry> entry;
  bool found = false;
  state_.Change([&](State& s) {
    if (!now_ && !watch_.joinable()) watch_ = std::thread([this] { Watch(); });
    auto it = s.entries.find({wish.token, method});
    found = it != s.entries.end();
    if (found ? it->second->forgotten : !wish.rejoin.empty() && wish.rejoin != life_) return;
    entry = found ? it->second : std::make_shared<Entry>();
    if (!found) entry->build = wish.build;
    if (!found) s.entries[{wish.token, method}] = entry;
    entry->clients++;
    entry->keep = wish.keep;
    if (!entry->done) entry->deadline.reset();
  });
  if (entry == nullptr) return NotFound("there is nothing to come back to: the build ended with its connection, or with an earlier daemon");
  if (found && !wish.build.empty()) log::Info("client is back", {{"build", wish.build}});
  return found ? Join(client, entry, response) : RunNew(client, entry, work, response);
}

absl::Status KeptCalls::RunNew(const CancelToken& client, const std::shared_ptr<Entry>& entry, const Work& work, Message& response) {
  std::unique_ptr<Message> made(response.New());
  absl::Status status;
  {
    CancelCallback on_leave(client, [&] { Leave(*entry); });
    status = work(entry->cancel.token(), *made);
  }
  response.CopyFrom(*made);
  state_.Change([&](State& s) {
    entry->response = std::move(made);
    entry->status = status;
    entry->done = s.changed = true;
    entry->deadline = Now() + entry->keep;
  });
  return status;
}

absl::Status KeptCalls::Join(const CancelToken& client, const std::shared_ptr<Entry>& entry, Message& response) {
  CancelCallback on_leave(client, [&] { Leave(*entry); });
  return state_.WaitThen([&](State&) { return entry->done || client.cancelled(); },
                         [&](State&) -> absl::Status {
                           if (!entry->done) return client.Check();
                           response.CopyFrom(*entry->response);
                           return entry->status;
                         });
}

void KeptCalls::Leave(Entry& entry) {
  std::optional<std::chrono::nanoseconds> kept = state_.Change([&](State& s) -> std::optional<std::chrono::nanoseconds> {
    if (--entry.clients > 0 || entry.done) return std::nullopt;
    entry.deadline = Now() + entry.keep;
    s.changed = true;
    return entry.keep;
  });
  // One that is to end anyhow is not kept.
  if (!kept.has_value() || entry.build.empty() || entry.cancel.token().cancelled()) return;
  log::Info(StrCat("client lost, its build is kept for ", FormatDuration(kept->count())), {{"build", entry.build}});
}

bool KeptCalls::Cancel(const std::string& token) {
  std::vector<std::shared_ptr<Entry>> running;
  state_.With([&](State& s) {
    for (auto it = s.entries.lower_bound({token, ""}); it != s.entries.end() && it->first.first == token; ++it) {
      if (!it->second->done) running.push_back(it->second);
    }
  });
  for (const auto& entry : running) entry->cancel.Cancel();
  return !running.empty();
}

std::optional<KeptCalls::Time> KeptCalls::Expire() {
  const Time now = Now();
  std::optional<Time> next;
  std::vector<std::shared_ptr<Entry>> late, dropped;
  state_.With([&](State& s) {
    s.changed = false;
    std::multimap<Time, Key> answers;
    for (auto it = s.entries.begin(); it != s.entries.end();) {
      auto& [key, entry] = *it++;
      if (!entry->deadline.has_value()) continue;
      if (*entry->deadline > now) {
        if (entry->done && !entry->forgotten) answers.emplace(*entry->deadline, key);
        next = std::min(next.value_or(*entry->deadline), *entry->deadline);
      } else if (entry->forgotten) {
        s.entries.erase(std::prev(it));
      } else if (entry->done) {
        answers.emplace(Time::min(), key);
      } else {
        late.push_back(entry);
        entry->deadline.reset();
      }
    }
    while (!answers.empty() && (answers.begin()->first == Time::min() || answers.size() > kMostAnswers)) {
      // Another takes its place, for whoever still copies the answer.
      auto forgotten = std::make_shared<Entry>();
      forgotten->done = forgotten->forgotten = true;
      forgotten->deadline = now + kMostKeepAlive;
      next = std::min(next.value_or(*forgotten->deadline), *forgotten->deadline);
      dropped.push_back(std::exchange(s.entries[answers.begin()->second], std::move(forgotten)));
      answers.erase(answers.begin());
    }
  });
  for (const auto& entry : late) {
    entry->cancel.Cancel(bk::Cancelled("the client's connection broke, and it did not come back within ", FormatDuration(std::chrono::nanoseconds(entry->keep).count())));
  }
  return next;
}

void KeptCalls::Watch() {
  while (true) {
    std::optional<Time> next = Expire();
    auto wait = std::chrono::milliseconds(std::chrono::hours(1));
    if (next.has_value()) wait = std::max(std::chrono::milliseconds(1), std::chrono::ceil<std::chrono::milliseconds>(*next - Now()));
    (void)state_.WaitFor(wait, [](State& s) { return s.ended || s.changed; });
    if (state_.With([](State& s) { return s.ended; })) return;
  }
}

}  // namespace bk::wire
