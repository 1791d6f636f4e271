// The order of builds that come at once. What is waited for here is waited for without limit: a wrong order shows, a slow machine does not.
#include "daemon/llb/admission.h"

#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace bk::llb {
namespace {

constexpr std::chrono::hours kForever(1);

// Builds on threads of their own.
class Builds {
 public:
  explicit Builds(Admission& admission) : admission_(admission) {}
  ~Builds() {
    for (std::thread& thread : threads_) thread.join();
  }
  // Comes, and is in the queue when this returns. It works until `End`.
  void Come(int name, const CancelToken& cancel = CancelToken::Never()) {
    const size_t came = admission_.waiting() + state_.With([](State& s) { return s.begun.size(); });
    threads_.emplace_back([this, name, cancel] {
      auto place = admission_.Enter(cancel);
      state_.Change([&](State& s) { s.begun.push_back(name); });
      state_.Wait([&](State& s) { return s.ended.contains(name); });
    });
    while (admission_.waiting() + state_.With([](State& s) { return s.begun.size(); }) == came) std::this_thread::yield();
  }
  void End(int name) {
    state_.Change([&](State& s) { s.ended.insert(name); });
  }
  std::vector<int> Begun(size_t count) {
    return state_.WaitThen([&](State& s) { return s.begun.size() >= count; }, [](State& s) { return s.begun; });
  }

 private:
  struct State {
    std::vector<int> begun;
    std::set<int> ended;
  };
  Admission& admission_;
  Guarded<State> state_;
  std::vector<std::thread> threads_;
};

TEST_CASE("a few builds work at a time, the others begin in the order in which they came") {
  Admission admission(2, kForever);
  Builds builds(admission);
  for (int name = 1; name <= 5; name++) builds.Come(name);
  CHECK(builds.Begun(2) == std::vector<int>{1, 2});
  CHECK(admission.waiting() == 3);
  builds.End(2);
  CHECK(builds.Begun(3) == std::vector<int>{1, 2, 3});
  CHECK(admission.waiting() == 2);
  builds.End(1);
  CHECK(builds.Begun(4) == std::vector<int>{1, 2, 3, 4});
  builds.End(3);
  CHECK(builds.Begun(5) == std::vector<int>{1, 2, 3, 4, 5});
  for (int name : {4, 5}) builds.End(name);
}

TEST_CASE("a build that is young no more holds nobody up") {
  Admission admission(1, std::chrono::milliseconds(5));
  Builds builds(admission);
  for (int name = 1; name <= 4; name++) builds.Come(name);
  CHECK(builds.Begun(4).size() == 4);
  for (int name = 1; name <= 4; name++) builds.End(name);
}

TEST_CASE("a build that is cancelled waits no longer, and the others keep their turns") {
  Admission admission(1, kForever);
  Builds builds(admission);
  CancelSource first, last;
  builds.Come(1);
  builds.Come(2, first.token());
  builds.Come(3);
  builds.Come(4, last.token());
  last.Cancel();
  CHECK(builds.Begun(2) == std::vector<int>{1, 4});
  first.Cancel();
  CHECK(builds.Begun(3) == std::vector<int>{1, 4, 2});
  CHECK(admission.waiting() == 1);
  builds.End(4);
  builds.End(2);
  CHECK(admission.waiting() == 1);  // those had no place to give
  builds.End(1);
  CHECK(builds.Begun(4) == std::vector<int>{1, 4, 2, 3});
  builds.End(3);
}

}  // namespace
}  // namespace bk::llb
