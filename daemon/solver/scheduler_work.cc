// What the scheduler has done on op threads, and what it makes of the outcome.
#include <algorithm>

#include "daemon/solver/scheduler.h"

namespace bk::solver {

bool Scheduler::Wait(SharedTask& task, VertexNode* vertex, EdgeNode* edge) {
  task.waiters.push_back(edge);
  if (task.cancel != nullptr) return false;
  task.cancel = std::make_shared<CancelSource>();
  task.departures = vertex->departures;
  Begin(vertex);
  return true;
}

void Scheduler::Begin(VertexNode* vertex) {
  if (vertex->running++ == 0) busy_.insert(vertex);
}

void Scheduler::End(VertexNode* vertex) {
  if (--vertex->running == 0) busy_.erase(vertex);
}

// Callbacks of a cancelled token may take their time.
void Scheduler::Cancel(SharedTask& task) {
  if (task.cancel == nullptr || task.cancel->token().cancelled()) return;
  short_threads_.Run([source = task.cancel] { source->Cancel(); });
}

bool Scheduler::End(SharedTask& task, VertexNode* vertex, const absl::Status& status, std::vector<EdgeNode*>& waiters) {
  bool cancelled = task.cancel->token().cancelled();
  // The session of a build that left may have been in use: those that stay try again.
  bool left = task.departures != vertex->departures && (absl::IsCancelled(status) || absl::IsUnavailable(status));
  task.cancel = nullptr;
  waiters = std::exchange(task.waiters, {});
  End(vertex);
  return status.ok() || (!cancelled && !left);
}

void Scheduler::AskMap(EdgeNode* edge) {
  VertexNode* vertex = edge->vertex;
  size_t index = edge->state.maps_seen();
  if (!vertex->map_error.ok()) edge->state.OnError(vertex->map_error);
  if (index < vertex->maps.size()) edge->state.OnMap(vertex->maps[index], *this);
  if (index < vertex->maps.size() || !vertex->map_error.ok()) return Enqueue(edge);
  edge->waits_map = true;
  if (!Wait(vertex->map_task, vertex, edge)) return;
  short_threads_.Run([this, node = graph_.Share(vertex), index, token = vertex->map_task.cancel->token()] {
    auto map = RunCacheMap(token, *node->op, static_cast<int>(index));
    Post([this, node, map = std::move(map)] {
      std::vector<EdgeNode*> waiters;
      bool final = End(node->map_task, node.get(), map.status(), waiters);
      if (node->removed) return;
      if (map.ok()) {
        node->maps.push_back(*map);
      } else if (final) {
        node->map_error = map.status();
      }
      for (EdgeNode* waiter : waiters) {
        waiter->waits_map = false;
        Enqueue(waiter);
      }
    });
  });
}

void Scheduler::AskContent(EdgeNode* edge, int input) {
  VertexNode* vertex = edge->vertex;
  size_t at = static_cast<size_t>(input);
  if (vertex->contents.empty()) vertex->contents.resize(vertex->inputs.size());
  VertexNode::Content& content = vertex->contents[at];
  if (content.done) {
    if (content.digest.ok()) {
      edge->state.OnContent(at, *content.digest, *this);
    } else {
      edge->state.OnError(content.digest.status());
    }
    return Enqueue(edge);
  }
  edge->inputs[at].waits_content = true;
  if (!Wait(content.task, vertex, edge)) return;
  auto below = edge->inputs[at].edge->vertex->op->feed();
  short_threads_.Run([this, node = graph_.Share(vertex), at, below, map = vertex->maps[0], result = edge->state.input_result(at), token = content.task.cancel->token()] {
    auto digest = RunContent(token, *node->op, *below, map->deps[at], result);
    if (digest.ok() && !digest->empty()) node->op->feed()->Note([&](StepNotes& notes) { notes.contents[at] = {*digest, result}; });
    Post([this, node, at, digest = std::move(digest)] {
      VertexNode::Content& ended = node->contents[at];
      std::vector<EdgeNode*> waiters;
      bool final = End(ended.task, node.get(), digest.status(), waiters);
      if (node->removed) return;
      if (final) {
        ended.done = true;
        ended.digest = digest;
      }
      for (EdgeNode* waiter : waiters) {
        waiter->inputs[at].waits_content = false;
        Enqueue(waiter);
      }
    });
  });
}

void Scheduler::AskRun(EdgeNode* edge) {
  VertexNode* vertex = edge->vertex;
  if (!vertex->run_error.ok()) {
    edge->state.OnError(vertex->run_error);
    return Enqueue(edge);
  }
  if (vertex->executed) return AskSave(edge);
  edge->waits_run = true;
  bool start = Wait(vertex->run_task, vertex, edge);
  if (start) vertex->execution = std::make_shared<Execution>();
  // Too late for the running one: stored when it is over.
  vertex->execution->Ask({edge, edge->output, edge->state.KeysToStore()});
  if (start) StartRun(vertex, edge);
}

void Scheduler::StartRun(VertexNode* vertex, EdgeNode* edge) {
  run_threads_.Run([this, node = graph_.Share(vertex), execution = vertex->execution, inputs = edge->state.InputResults(), token = vertex->run_task.cancel->token()] {
    auto saved = RunOp(token, *node->op, keys_, *execution, inputs);
    Post([this, node, execution, saved = std::move(saved)] {
      std::vector<EdgeNode*> waiters;
      bool final = End(node->run_task, node.get(), saved.status(), waiters);
      if (node->removed) return;
      node->executed = saved.ok();
      if (!saved.ok() && final) node->run_error = saved.status();
      for (EdgeNode* waiter : waiters) {
        waiter->waits_run = false;
        Enqueue(waiter);
        if (!saved.ok()) continue;
        auto mine = std::find_if(saved->begin(), saved->end(), [&](const Saved& s) { return s.edge == waiter; });
        if (mine == saved->end()) continue;
        if (mine->records.ok()) {
          std::vector<std::string> ids;
          for (const CacheRecord& record : *mine->records) ids.push_back(record.key_id);
          waiter->state.OnExecuted(mine->result, std::move(ids));
        } else {
          waiter->state.OnError(mine->records.status());
        }
      }
    });
  });
}

// For an output that was not asked for before the op was done.
void Scheduler::AskSave(EdgeNode* edge) {
  edge->waits_result = true;
  Begin(edge->vertex);
  SaveRequest request{edge, edge->output, edge->state.KeysToStore()};
  short_threads_.Run([this, node = graph_.Share(edge->vertex), execution = edge->vertex->execution, request] {
    Saved saved = RunSave(keys_, *node->op, execution->results, request);
    Post([this, node, saved = std::move(saved)] {
      End(node.get());
      if (node->removed) return;
      saved.edge->waits_result = false;
      if (saved.records.ok()) {
        std::vector<std::string> ids;
        for (const CacheRecord& record : *saved.records) ids.push_back(record.key_id);
        saved.edge->state.OnExecuted(saved.result, std::move(ids));
      } else {
        saved.edge->state.OnError(saved.records.status());
      }
      Enqueue(saved.edge);
    });
  });
}

// A result that cannot be loaded, whatever the reason, is a miss.
void Scheduler::AskLoad(EdgeNode* edge, const CacheRecord& record) {
  edge->waits_result = true;
  Begin(edge->vertex);
  short_threads_.Run([this, node = graph_.Share(edge->vertex), edge, record] {
    auto result = RunLoad(keys_, *node->op, record);
    Post([this, node, edge, record, result = std::move(result)] {
      End(node.get());
      if (node->removed) return;
      edge->waits_result = false;
      if (result.ok()) {
        edge->state.OnLoaded(record, *result);
      } else {
        edge->state.OnLoadFailed(record);
      }
      Enqueue(edge);
    });
  });
}

}  // namespace bk::solver
