#include "sandbox/exec/containers.h"

namespace bk::exec {

std::unique_ptr<JoinableContainer::Visit> JoinableContainer::Visit::Begin(std::shared_ptr<JoinableContainer> container) {
  bool entered = container->state_.With([](State& s) {
    if (!s.closed) s.visits++;
    return !s.closed;
  });
  return entered ? std::unique_ptr<Visit>(new Visit(std::move(container))) : nullptr;
}

JoinableContainer::Visit::~Visit() {
  container_->state_.Change([](State& s) { s.visits--; });
}

void JoinableContainer::Close() {
  state_.With([](State& s) { s.closed = true; });
  over_.Cancel(Unknown("the container has stopped"));
  state_.Wait([](const State& s) { return s.visits == 0; });
}

Containers::Entry::Entry(Containers& of, std::string id, std::shared_ptr<JoinableContainer> container) : of_(of), id_(std::move(id)) {
  of_.by_id_.With([&](auto& by_id) { by_id[id_] = std::move(container); });
}

Containers::Entry::~Entry() {
  auto container = of_.by_id_.With([&](auto& by_id) { return std::move(by_id.extract(id_).mapped()); });
  container->Close();
}

std::shared_ptr<JoinableContainer> Containers::Find(const std::string& id) {
  return by_id_.With([&](auto& by_id) {
    auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : found->second;
  });
}

}  // namespace bk::exec
