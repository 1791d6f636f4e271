// Threads that run the blocking parts of builds; made when needed, gone when nothing is queued.
//
// `limit` bounds threads, not builds: parallelism is limited in Op::Acquire. Work that waits for other work of the same
// group must have a limit far above what builds reach. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <system_error>
#include <thread>

#include "base/guarded.h"

namespace bk::solver {

class OpThreads {
 public:
  explicit OpThreads(size_t limit) : limit_(limit) {}
  OpThreads(const OpThreads&) = delete;
  OpThreads& operator=(const OpThreads&) = delete;
  ~OpThreads() { Wait(); }

  // Never blocks, except where the system gives no thread at all: then the caller runs `task` itself.
  void Run(std::function<void()> task) {
    bool start = state_.With([&](State& s) {
      s.queue.push_back(std::move(task));
      if (s.threads >= limit_) return false;
      s.threads++;
      return true;
    });
    if (!start) return;
    try {
      std::thread([this] { Loop(); }).detach();
    } catch (const std::system_error&) {
      bool alone = state_.Change([](State& s) { return --s.threads == 0; });
      if (!alone) return;  // another thread takes it
      state_.With([](State& s) { s.threads++; });
      Loop();
    }
  }
  void Wait() {
    state_.Wait([](const State& s) { return s.threads == 0; });
  }

 private:
  struct State {
    std::deque<std::function<void()>> queue;
    size_t threads = 0;
  };
  void Loop() {
    while (true) {
      std::function<void()> task;
      bool more = state_.Change([&](State& s) {
        if (s.queue.empty()) {
          s.threads--;
          return false;
        }
        task = std::move(s.queue.front());
        s.queue.pop_front();
        return true;
      });
      if (!more) return;
      task();
    }
  }
  const size_t limit_;
  Guarded<State> state_;
};

}  // namespace bk::solver
