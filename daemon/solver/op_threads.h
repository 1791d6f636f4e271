// Threads that run the blocking parts of builds; made when needed, a few wait for more to do.
//
// `limit` bounds threads, not builds: parallelism is limited in Op::Acquire. Work that waits for other work of the same
// group must have a limit far above what builds reach. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <system_error>

#include "base/guarded.h"
#include "base/task_group.h"

namespace bk::solver {

class OpThreads {
 public:
  explicit OpThreads(size_t limit) : limit_(limit) {}
  OpThreads(const OpThreads&) = delete;
  OpThreads& operator=(const OpThreads&) = delete;
  // Runs what is queued.
  ~OpThreads() {
    state_.Change([](State& s) { s.stop = true; });
  }

  // Never blocks, except where the system gives no thread at all: then the caller runs `task` itself.
  void Run(std::function<void()> task) {
    bool start = state_.Change([&](State& s) {
      s.queue.push_back(std::move(task));
      if (s.idle >= s.queue.size() || s.threads >= limit_) return false;
      s.threads++;
      return true;
    });
    if (!start) return;
    try {
      threads_.Run([this] { Loop(/*stay=*/true); });
    } catch (const std::system_error&) {
      Loop(/*stay=*/false);
    }
  }
  // Returns when nothing is queued or running.
  void Wait() {
    state_.Wait([](const State& s) { return s.queue.empty() && s.idle == s.threads; });
  }

 private:
  static constexpr size_t kMaxIdle = 4;
  struct State {
    std::deque<std::function<void()>> queue;
    size_t threads = 0, idle = 0;
    bool stop = false;
  };
  // Takes tasks until there is none; `stay`: then waits for more, unless enough threads do so already.
  void Loop(bool stay) {
    std::function<void()> task;
    auto take = [&](State& s) {
      if (s.queue.empty()) return false;
      task = std::move(s.queue.front());
      s.queue.pop_front();
      return true;
    };
    while (true) {
      enum { kRun, kRest, kEnd } next = state_.Change([&](State& s) {
        if (take(s)) return kRun;
        if (stay && !s.stop && s.idle < kMaxIdle) {
          s.idle++;
          return kRest;
        }
        s.threads--;
        return kEnd;
      });
      if (next == kEnd) return;
      if (next == kRest && !state_.WaitThen([](const State& s) { return s.stop || !s.queue.empty(); },
                                            [&](State& s) {
                                              s.idle--;
                                              return take(s);
                                            })) {
        continue;
      }
      task();
      task = nullptr;  // captured handles end now
    }
  }
  const size_t limit_;
  Guarded<State> state_;
  TaskGroup threads_;  // last: it is waited for first
};

}  // namespace bk::solver
