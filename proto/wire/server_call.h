// gRPC's callback API turned into blocking handlers: each long call runs on a thread of its own and gets a CancelToken
// that is cancelled when the client goes away. gRPC's own threads never block (architecture §5).
//
// A handler returns absl::Status; status_codec makes the gRPC status of it. Objects delete themselves when gRPC is done.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include <grpcpp/grpcpp.h>

#include "base/cancel.h"
#include "base/guarded.h"
#include "base/task_group.h"
#include "proto/wire/status_codec.h"

namespace bk::wire {

// Runs `handler(cancel, response)` on a thread of `tasks`.
template <typename Response>
grpc::ServerUnaryReactor* RunUnary(TaskGroup& tasks, grpc::CallbackServerContext*, Response* response,
                                   std::function<absl::Status(const CancelToken&, Response&)> handler) {
  class Call : public grpc::ServerUnaryReactor {
   public:
    CancelSource cancel;
    std::shared_ptr<Call> self;  // until gRPC and the handler are both done
    void OnCancel() override { cancel.Cancel(); }
    void OnDone() override { auto last = std::move(self); }
  };
  auto call = std::make_shared<Call>();
  call->self = call;
  tasks.Run([call, response, handler = std::move(handler)] {
    absl::Status status = handler(call->cancel.token(), *response);
    call->Finish(ToGrpc(status));
  });
  return call.get();
}

// Answers at once on gRPC's thread; for calls that cannot block.
inline grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const absl::Status& status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// The writing side of a server stream inside a handler.
template <typename Response>
class Writer {
 public:
  virtual ~Writer() = default;
  // Blocks until gRPC took the message; Cancelled when the client is gone.
  virtual absl::Status Write(const Response& response) = 0;
  virtual void SendHeaders() = 0;
};

template <typename Response>
grpc::ServerWriteReactor<Response>* RunServerStream(TaskGroup& tasks, std::function<absl::Status(const CancelToken&, Writer<Response>&)> handler) {
  struct State {
    bool writing = false, broken = false;
  };
  class Call : public grpc::ServerWriteReactor<Response>, public Writer<Response> {
   public:
    CancelSource cancel;
    Guarded<State> state;
    std::shared_ptr<Call> self;
    absl::Status Write(const Response& response) override {
      if (state.With([](State& s) { return s.broken ? true : (s.writing = true, false); })) return bk::Cancelled("context canceled");
      this->StartWrite(&response);
      bool broken = state.WaitThen([](State& s) { return !s.writing; }, [](State& s) { return s.broken; });
      return broken ? bk::Cancelled("context canceled") : absl::OkStatus();
    }
    void SendHeaders() override { this->StartSendInitialMetadata(); }
    void OnWriteDone(bool ok) override {
      state.Change([&](State& s) {
        s.writing = false;
        s.broken = s.broken || !ok;
      });
    }
    void OnCancel() override { cancel.Cancel(); }
    void OnDone() override { auto last = std::move(self); }
  };
  auto call = std::make_shared<Call>();
  call->self = call;
  tasks.Run([call, handler = std::move(handler)] { call->Finish(ToGrpc(handler(call->cancel.token(), *call))); });
  return call.get();
}

// Both sides of a bidirectional stream inside a handler. One thread may read while another writes.
template <typename Request, typename Response>
class BidiStream : public Writer<Response> {
 public:
  virtual bool Read(Request& request) = 0;  // false at the client's half-close or when it is gone
  // Makes a blocked Read return false: ours ends the call by itself once the handler returns, so a reader must not
  // hold it up. A Write does not wait any more for a client that does not read: what finds no room fails.
  virtual void Cancel() = 0;
};

// Its Write does not wait for gRPC: up to kMostQueued messages are queued, so that a thread need not be woken for each, and
// those that stand in the queue together travel together. A failed one shows at a later Write.
template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* RunBidi(TaskGroup& tasks,
                                                    std::function<absl::Status(const CancelToken&, BidiStream<Request, Response>&)> handler) {
  constexpr size_t kMostQueued = 64;
  struct State {
    bool reading = false, ended = false;
  };
  class Call : public grpc::ServerBidiReactor<Request, Response>, public BidiStream<Request, Response> {
   public:
    CancelSource cancel;
    Guarded<State> state;
    std::shared_ptr<Call> self;
    Request incoming;  // gRPC may still write here after a cancelled Read returned
    bool Read(Request& request) override {
      if (state.With([](State& s) { return s.ended ? true : (s.reading = true, false); })) return false;
      this->StartRead(&incoming);
      bool ok = state.WaitThen([](State& s) { return !s.reading || s.ended; }, [](State& s) { return !s.ended; });
      if (ok) request = std::move(incoming);
      return ok;
    }
    void Cancel() override {
      state.Change([](State& s) { s.ended = true; });
      std::lock_guard lock(writing_);
      hurried_ = true;
      changed_.notify_all();
    }
    absl::Status Write(const Response& response) override {
      std::unique_lock lock(writing_);
      changed_.wait(lock, [&] { return broken_ || hurried_ || queue_.size() < kMostQueued; });
      if (broken_ || queue_.size() >= kMostQueued) return bk::Cancelled("context canceled");
      queue_.push_back(response);
      if (queue_.size() == 1) WriteFirst();
      return absl::OkStatus();
    }
    void Drain() {
      std::unique_lock lock(writing_);
      changed_.wait(lock, [&] { return broken_ || queue_.empty(); });
    }
    void SendHeaders() override { this->StartSendInitialMetadata(); }
    void OnReadDone(bool ok) override {
      state.Change([&](State& s) {
        s.reading = false;
        s.ended = s.ended || !ok;
      });
    }
    void OnWriteDone(bool ok) override {
      std::lock_guard lock(writing_);
      broken_ = broken_ || !ok;
      queue_.pop_front();
      // Not for each: a writer that is woken for one message waits again at once.
      if (broken_ || queue_.empty() || queue_.size() == kMostQueued / 2) changed_.notify_all();
      if (!broken_ && !queue_.empty()) WriteFirst();
    }
    void OnCancel() override { cancel.Cancel(); }
    void OnDone() override { auto last = std::move(self); }

   private:
    void WriteFirst() { this->StartWrite(&queue_.front(), queue_.size() > 1 ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions()); }

    std::mutex writing_;
    std::condition_variable changed_;
    std::deque<Response> queue_;  // the first one is gRPC's
    bool broken_ = false, hurried_ = false;
  };
  auto call = std::make_shared<Call>();
  call->self = call;
  tasks.Run([call, handler = std::move(handler)] {
    absl::Status status = handler(call->cancel.token(), *call);
    call->Drain();
    call->Finish(ToGrpc(status));
  });
  return call.get();
}

}  // namespace bk::wire
