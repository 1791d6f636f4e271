// Cancellation as a value that is handed down: first parameter of every function that may block.
//
// A CancelSource decides, its CancelTokens observe. A token can be asked (Cancelled), waited on (fd() is readable once
// cancelled; usable with poll) or followed (CancelCallback). Cancelling is final and keeps the first cause.
// Clean-up never runs under a cancelled token: give it CancelToken::Never(). Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/status.h"

namespace bk {

namespace internal {
struct CancelState;
}

class CancelToken {
 public:
  CancelToken() : CancelToken(Never()) {}
  static CancelToken Never();

  bool cancelled() const;
  // OK, or the cause (code Cancelled unless the source said otherwise).
  absl::Status Check() const;
  // A file descriptor that becomes readable on cancellation; owned by the token's state. -1 if none can be made.
  int fd() const;
  // Sleeps for `duration` or until cancelled; returns Check().
  absl::Status SleepFor(std::chrono::milliseconds duration) const;

 private:
  friend class CancelSource;
  friend class CancelCallback;
  explicit CancelToken(std::shared_ptr<internal::CancelState> state) : state_(std::move(state)) {}
  std::shared_ptr<internal::CancelState> state_;
};

class CancelSource {
 public:
  CancelSource();
  // Cancelled too when `parent` is.
  explicit CancelSource(const CancelToken& parent);
  ~CancelSource();
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;

  CancelToken token() const { return CancelToken(state_); }
  // Runs callbacks on the calling thread. Default cause: Cancelled("context canceled"), the text clients look for.
  void Cancel();
  void Cancel(absl::Status cause);

 private:
  std::shared_ptr<internal::CancelState> state_;
  std::unique_ptr<class CancelCallback> parent_link_;
};

// Runs `f` once when the token is cancelled (at once if it is already), on the cancelling thread. The destructor waits
// for a running `f`, unless called from it.
class CancelCallback {
 public:
  CancelCallback(const CancelToken& token, std::function<void()> f);
  ~CancelCallback();
  CancelCallback(const CancelCallback&) = delete;
  CancelCallback& operator=(const CancelCallback&) = delete;

 private:
  std::shared_ptr<internal::CancelState> state_;
  uint64_t id_ = 0;
};

}  // namespace bk
