#include "daemon/frontend/gateway/input_queue.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

namespace bk::frontend::gateway {
namespace {

std::string ReadAll(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(n));
  return all;
}

struct Queue {
  std::unique_ptr<InputQueue> queue = *InputQueue::Make();
  void Add(std::string bytes) { queue->Add(CancelToken::Never(), std::move(bytes)); }
};

TEST_CASE("what is typed comes in order, and then the end") {
  Queue q;
  q.Add("one ");
  q.Add("two");
  q.queue->End();
  CHECK(ReadAll(q.queue->read_fd()) == "one two");
  q.Add("late");
  CHECK(ReadAll(q.queue->read_fd()).empty());
}

TEST_CASE("who types faster than the process reads waits, and nothing is lost") {
  Queue q;
  std::thread typist([&] {
    for (int i = 0; i < 40; i++) q.Add(std::string(128 << 10, static_cast<char>('a' + i % 26)));
    q.queue->End();
  });
  std::string all = ReadAll(q.queue->read_fd());
  typist.join();
  CHECK(all.size() == 40u * (128 << 10));
  CHECK(all.substr(128 << 10, 1) == "b");
}

TEST_CASE("who waits since nobody reads is let go by the end of the process, and by its own cancellation") {
  for (bool by_cancel : {true, false}) {
    Queue q;
    CancelSource cancel;
    Guarded<int> added;
    std::thread typist([&] {
      for (int i = 0; i < 20; i++) {
        q.queue->Add(cancel.token(), std::string(1 << 20, 'x'));
        added.Change([](int& n) { n++; });
      }
    });
    added.Wait([](int n) { return n >= 1; });  // in the pipe's thread; the next ones fill the queue
    CHECK(added.With([](int n) { return n < 20; }));
    if (by_cancel) cancel.Cancel();
    if (!by_cancel) q.queue->Over();
    typist.join();
  }
}

TEST_CASE("the end of the process holds up nobody while another one has its input open") {
  Queue q;
  int held = dup(q.queue->read_fd());
  q.Add(std::string(1 << 20, 'x'));
  q.queue->Over();
  q.queue.reset();
  close(held);
}

}  // namespace
}  // namespace bk::frontend::gateway
