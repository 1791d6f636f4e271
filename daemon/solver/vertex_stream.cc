#include "daemon/solver/vertex_stream.h"

#include <vector>

namespace bk::solver {

void VertexStream::Vertex(const VertexEvent& event) {
  last_[event.digest.str()] = event;
  if (event.started_ns != 0) CompleteInputs(event);
  if (event.cached) MarkCached(event.digest.str());
  out_.Vertex(event);
}

// Inputs that said nothing of themselves came from the cache, and so did what is below them. Lower ones are told first.
void VertexStream::CompleteInputs(const VertexEvent& event) {
  std::vector<VertexEvent> found;
  auto take = [&](const VertexEvent& of) {
    for (const Digest& input : of.inputs) {
      auto it = last_.find(input.str());
      if (it == last_.end() || it->second.cached || it->second.completed_ns != 0) continue;
      VertexEvent cached = std::move(it->second);
      last_.erase(it);
      cached.cached = true;
      cached.started_ns = cached.completed_ns = event.started_ns;
      found.push_back(std::move(cached));
    }
  };
  take(event);
  for (size_t i = 0; i < found.size(); i++) {
    VertexEvent of = found[i];  // `found` grows
    take(of);
  }
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    cached_.insert(it->digest.str());
    out_.Vertex(*it);
  }
}

void VertexStream::MarkCached(const std::string& digest) {
  std::vector<std::string> pending = {digest};
  while (!pending.empty()) {
    std::string next = std::move(pending.back());
    pending.pop_back();
    if (!cached_.insert(next).second) continue;
    auto it = last_.find(next);
    if (it == last_.end()) continue;
    for (const Digest& input : it->second.inputs) pending.push_back(input.str());
  }
}

void VertexStream::Finish() {
  for (auto& [digest, event] : last_) {
    if (event.started_ns == 0 || event.completed_ns != 0) continue;
    event.completed_ns = NowNs();
    if (event.error.empty() && !cached_.contains(digest)) event.error = "context canceled";
    out_.Vertex(event);
  }
  last_.clear();
}

}  // namespace bk::solver
