#include "sandbox/net/pool.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/task_group.h"

namespace bk::net {
namespace {

constexpr int kRemovers = 4;

}  // namespace

class PooledProvider::Lent : public Namespace {
 public:
  Lent(PooledProvider& from, std::string id, bool named) : from_(from), id_(std::move(id)), path_(StrCat(from.options_.dir, "/", id_)), named_(named) {}
  ~Lent() override {
    if (named_) {
      from_.maker_.remove(id_);
    } else {
      from_.GiveBack(std::move(id_));
    }
  }
  const std::string& path() const override { return path_; }

 private:
  PooledProvider& from_;
  std::string id_;
  const std::string path_;
  const bool named_;
};

PooledProvider::PooledProvider(PoolOptions options, NetworkMaker maker) : options_(std::move(options)), maker_(std::move(maker)), keeper_([this] { Keep(); }) {}

PooledProvider::~PooledProvider() {
  stopped_.Cancel();
  state_.Change([](State& s) { s.stop = s.changed = true; });
  keeper_.join();
  RemoveAll();
  maker_.end();
}

absl::StatusOr<std::unique_ptr<Namespace>> PooledProvider::Get(const CancelToken& cancel, const std::string& hostname) {
  state_.Wait([](const State& s) { return s.begun; });
  std::string id;
  if (hostname.empty()) {
    id = state_.With([](State& s) {
      std::string found;
      if (s.idle.empty()) {
        s.total++;
      } else {
        found = std::move(s.idle.back().id);
        s.idle.pop_back();
      }
      return found;
    });
  }
  if (id.empty()) {
    auto made = maker_.make(cancel, hostname);
    if (!made.ok() && hostname.empty()) {
      state_.Change([](State& s) {
        s.total--;
        s.changed = true;  // one fewer than the keeper has seen
      });
    }
    BK_ASSIGN(id, std::move(made));
  }
  return std::make_unique<Lent>(*this, std::move(id), !hostname.empty());
}

void PooledProvider::GiveBack(std::string id) {
  state_.Change([&](State& s) {
    s.idle.push_back({std::move(id), Clock::now()});
    s.changed = true;
  });
}

PooledProvider::Task PooledProvider::Next(State& state, Clock::time_point now, std::string& surplus) const {
  state.changed = false;
  if (state.stop) return Task::kStop;
  if (state.total < options_.size) {
    state.total++;
    return Task::kMake;
  }
  if (state.idle.empty() || state.total <= options_.size || now - state.idle.front().since < options_.grace) return Task::kNone;
  surplus = std::move(state.idle.front().id);
  state.idle.pop_front();
  state.total--;
  return Task::kRemove;
}

void PooledProvider::Keep() {
  maker_.begin();
  state_.Change([](State& s) { s.begun = true; });
  while (true) {
    std::string surplus;
    switch (state_.With([&](State& s) { return Next(s, Clock::now(), surplus); })) {
      case Task::kStop:
        return;
      case Task::kRemove:
        maker_.remove(surplus);
        break;
      case Task::kMake: {
        auto made = maker_.make(stopped_.token(), "");
        if (made.ok()) {
          GiveBack(*std::move(made));
          break;
        }
        state_.With([](State& s) { s.total--; });
        if (stopped_.token().cancelled()) break;
        log::Warning("no network can be made ready for steps", {{"error", Message(made.status())}});
        stopped_.token().SleepFor(options_.retry).IgnoreError();
        break;
      }
      case Task::kNone:
        // Nothing of the pool becomes surplus sooner than that.
        state_.WaitFor(std::max(options_.grace / 4, std::chrono::milliseconds(1)), [](const State& s) { return s.changed; });
    }
  }
}

void PooledProvider::RemoveAll() {
  TaskGroup removers;
  for (int i = 0; i < kRemovers; i++) {
    removers.Run([this] {
      while (true) {
        std::string id = state_.With([](State& s) {
          std::string next;
          if (!s.idle.empty()) {
            next = std::move(s.idle.front().id);
            s.idle.pop_front();
          }
          return next;
        });
        if (id.empty()) return;
        maker_.remove(id);
      }
    });
  }
}

}  // namespace bk::net
