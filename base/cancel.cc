#include "base/cancel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace bk {
namespace internal {

struct CancelState {
  std::mutex mutex;
  std::condition_variable changed;
  bool cancelled = false;
  absl::Status cause;
  int event_fd = -1;
  uint64_t next_id = 1;
  std::map<uint64_t, std::function<void()>> callbacks;
  uint64_t running_id = 0;  // callback being run now
  std::thread::id running_thread;

  ~CancelState() {
    if (event_fd >= 0) close(event_fd);
  }
};

}  // namespace internal

namespace {

void Signal(int event_fd) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(event_fd, &one, sizeof one);
}

}  // namespace

CancelToken CancelToken::Never() {
  static const auto& state = *new std::shared_ptr<internal::CancelState>(std::make_shared<internal::CancelState>());
  return CancelToken(state);
}

bool CancelToken::cancelled() const {
  std::lock_guard lock(state_->mutex);
  return state_->cancelled;
}

absl::Status CancelToken::Check() const {
  std::lock_guard lock(state_->mutex);
  return state_->cancelled ? state_->cause : absl::OkStatus();
}

int CancelToken::fd() const {
  std::lock_guard lock(state_->mutex);
  if (state_->event_fd < 0) {
    state_->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (state_->cancelled && state_->event_fd >= 0) Signal(state_->event_fd);
  }
  return state_->event_fd;
}

absl::Status CancelToken::SleepFor(std::chrono::milliseconds duration) const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, duration, [&] { return state_->cancelled; });
  return state_->cancelled ? state_->cause : absl::OkStatus();
}

CancelSource::CancelSource() : state_(std::make_shared<internal::CancelState>()) {}

CancelSource::CancelSource(const CancelToken& parent) : CancelSource() {
  parent_link_ = std::make_unique<CancelCallback>(parent, [this, parent] { Cancel(parent.Check()); });
}

CancelSource::~CancelSource() = default;

void CancelSource::Cancel() { Cancel(Cancelled("context canceled")); }

void CancelSource::Cancel(absl::Status cause) {
  auto state = state_;
  std::unique_lock lock(state->mutex);
  if (state->cancelled) return;
  state->cancelled = true;
  state->cause = cause.ok() ? Cancelled("context canceled") : std::move(cause);
  if (state->event_fd >= 0) Signal(state->event_fd);
  state->changed.notify_all();
  while (!state->callbacks.empty()) {
    auto node = state->callbacks.extract(state->callbacks.begin());
    state->running_id = node.key();
    state->running_thread = std::this_thread::get_id();
    lock.unlock();
    node.mapped()();
    node.mapped() = nullptr;
    lock.lock();
    state->running_id = 0;
    state->changed.notify_all();
  }
}

CancelCallback::CancelCallback(const CancelToken& token, std::function<void()> f) : state_(token.state_) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->cancelled) {
      id_ = state_->next_id++;
      state_->callbacks.emplace(id_, std::move(f));
      return;
    }
  }
  f();
}

CancelCallback::~CancelCallback() {
  if (id_ == 0) return;
  std::unique_lock lock(state_->mutex);
  if (state_->callbacks.erase(id_) > 0) return;
  if (state_->running_id == id_ && state_->running_thread == std::this_thread::get_id()) return;
  state_->changed.wait(lock, [&] { return state_->running_id != id_; });
}

}  // namespace bk
