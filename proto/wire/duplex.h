// A bidirectional stream of gRPC's asynchronous API, read and written by one thread: both directions go on whichever of
// them it waits for, and most operations end where they were started, without another thread having to be woken.
//
// With the synchronous API a reader and a writer on two threads wake each other for every message, and with the callback
// API two threads of gRPC do. Messages are serialized bytes. Belongs to one thread; the call's context may be cancelled by any.
#pragma once

#include <deque>

#include <grpcpp/grpcpp.h>

namespace bk::wire {

// What a message costs beside its bytes.
inline constexpr size_t kMessageOverheadBytes = 64;

template <typename AsyncStream>  // of grpc::ByteBuffer both ways
class Duplex {
 public:
  // `queue` serves this call alone. Send waits while more than `most_queued_bytes` are under way.
  Duplex(AsyncStream* stream, grpc::CompletionQueue* queue, size_t most_queued_bytes) : stream_(stream), queue_(queue), most_queued_bytes_(most_queued_bytes) {}

  // Takes the message. Messages travel together: the last one may stay here until Receive waits, or Flush. False once the
  // call is broken.
  bool Send(grpc::ByteBuffer message) {
    flushing_ = false;
    queued_bytes_ += Cost(message);
    outgoing_.push_back(std::move(message));
    // A write that had to wait for the peer's window: looked after now and then.
    if (writing_ && outgoing_.size() % kStepEvery == 0) StepOn();
    WriteOn();
    while (!broken_ && queued_bytes_ > most_queued_bytes_) Step();
    return !broken_;
  }
  bool Flush() {
    flushing_ = true;
    WriteOn();
    while (!broken_ && !outgoing_.empty()) Step();
    return !broken_;
  }
  // Waits for the next message; false at the end of the peer's stream.
  bool Receive(grpc::ByteBuffer& message) {
    ReadOn();
    if (incoming_.empty() && !ended_) {
      flushing_ = true;
      WriteOn();
      while (incoming_.empty() && !ended_) Step();
    }
    if (incoming_.empty()) return false;
    message.Swap(&incoming_.front());
    incoming_bytes_ -= Cost(message);
    incoming_.pop_front();
    ReadOn();
    return true;
  }
  // Receive has a message already.
  bool Pending() const { return !incoming_.empty(); }
  // Runs another operation of the stream, which `start` begins with the tag that it is given. True: it succeeded.
  template <typename Start>
  bool Run(const Start& start) {
    other_running_ = true;
    start(static_cast<void*>(&other_ok_));
    while (other_running_) Step();
    return other_ok_;
  }
  // Waits for what is still under way; the call has to be over or cancelled.
  void Drain() {
    while (reading_ || writing_) Step();
    queue_->Shutdown();
    void* tag;
    bool ok;
    while (queue_->Next(&tag, &ok)) {
    }
  }

 private:
  static constexpr size_t kMostAheadBytes = 4 << 20;
  static constexpr size_t kStepEvery = 32;

  static size_t Cost(const grpc::ByteBuffer& message) { return message.Length() + kMessageOverheadBytes; }
  void ReadOn() {
    if (reading_ || ended_ || incoming_bytes_ > kMostAheadBytes) return;
    reading_ = true;
    stream_->Read(&read_, &read_);
  }
  void WriteOn() {
    while (!writing_ && !broken_ && outgoing_.size() > (flushing_ ? 0 : 1)) {
      grpc::WriteOptions options;
      if (outgoing_.size() > 1) options.set_buffer_hint();
      writing_ = true;
      stream_->Write(outgoing_.front(), options, &outgoing_);
      StepOn();  // as a rule it is done
    }
  }
  void Step() {
    void* tag;
    bool ok;
    if (queue_->Next(&tag, &ok)) Done(tag, ok);
    WriteOn();
  }
  // What is over already.
  void StepOn() {
    void* tag;
    bool ok;
    bool was_writing = writing_;
    while (writing_ == was_writing && queue_->AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_REALTIME)) == grpc::CompletionQueue::GOT_EVENT) Done(tag, ok);
  }
  void Done(void* tag, bool ok) {
    if (tag == &read_) {
      reading_ = false;
      ended_ = !ok;
      if (!ok) return;
      incoming_bytes_ += Cost(read_);
      incoming_.emplace_back().Swap(&read_);
      ReadOn();
    } else if (tag == &outgoing_) {
      writing_ = false;
      queued_bytes_ -= Cost(outgoing_.front());
      outgoing_.pop_front();
      broken_ = broken_ || !ok;
    } else {
      other_running_ = false;
      other_ok_ = ok;
    }
  }

  AsyncStream* const stream_;
  grpc::CompletionQueue* const queue_;
  const size_t most_queued_bytes_;
  grpc::ByteBuffer read_;
  std::deque<grpc::ByteBuffer> incoming_, outgoing_;  // the first one that goes out is gRPC's while `writing_`
  size_t incoming_bytes_ = 0, queued_bytes_ = 0;
  bool reading_ = false, ended_ = false, writing_ = false, broken_ = false, flushing_ = false;
  bool other_running_ = false, other_ok_ = false;
};

// One message of a protobuf type. `Decode` false: it is none.
template <typename Message>
grpc::ByteBuffer Encode(const Message& message) {
  grpc::ByteBuffer buffer;
  bool own = false;
  grpc::SerializationTraits<Message>::Serialize(message, &buffer, &own).IgnoreError();  // fails for no message below 2 GiB
  return buffer;
}
template <typename Message>
bool Decode(grpc::ByteBuffer& buffer, Message& message) {
  return grpc::SerializationTraits<Message>::Deserialize(&buffer, &message).ok();
}

}  // namespace bk::wire
