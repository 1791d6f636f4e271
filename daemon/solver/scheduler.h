// The one thread that owns every edge. It never blocks: op threads do what takes time and post what came of it.
//
// Input is a mailbox of closures. After each batch all edges that something happened to take a step: they look at their
// inputs, may be merged with an equal edge, and ask for what EdgeState::Decide says. Work that runs is cancelled when no
// build that still waits could need it; that an edge does not ask for it just now is no reason.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/solver/graph.h"
#include "daemon/solver/op_threads.h"

namespace bk::solver {

class Scheduler : private KeyLookup {
 public:
  Scheduler(CacheKeyStorage* keys, ResultStorage* results);
  // Waits for op threads; their work is cancelled already if all jobs are gone.
  ~Scheduler() override;

  absl::StatusOr<ResultPtr> Build(const CancelToken& cancel, const std::shared_ptr<JobState>& job, const Edge& edge);
  // Gives up everything that only this job wants. Returns when the job is told nothing more.
  void RemoveJob(const std::shared_ptr<JobState>& job);

 private:
  struct Mailbox {
    std::vector<std::function<void()>> messages;
    bool stop = false;
  };
  // Threads that may wait for other vertices (a step can be a build of its own), and those that never do.
  static constexpr size_t kRunThreads = 4096, kShortThreads = 64;

  // From any thread.
  void Post(std::function<void()> message);

  // The scheduler's thread from here on.
  void Loop();
  void Settle();
  void FailStuck();
  void Enqueue(EdgeNode* edge);
  void EnqueueSettle(EdgeNode* edge);
  void Step(EdgeNode* edge);
  void Act(EdgeNode* edge);
  void TellConsumers(EdgeNode* edge);
  void FinishRequests(EdgeNode* edge, const absl::Status& error);
  // Asks no more of inputs than what is wanted of `edge` needs.
  void LowerWants(EdgeNode* edge, Level want);
  // Ends `request`, then cancels what no other one may need.
  void Answer(const std::shared_ptr<BuildRequest>& request, absl::StatusOr<ResultPtr> outcome);
  void CancelUnneeded();
  static Level WantOf(const EdgeNode* edge);
  void SetInputWant(EdgeNode* edge, size_t input, Level want);

  bool Merge(EdgeNode* edge);
  bool MayMerge(const EdgeNode* from, const EdgeNode* into) const;
  void MergeInto(EdgeNode* from, EdgeNode* into);

  void AskMap(EdgeNode* edge);
  void AskContent(EdgeNode* edge, int input);
  void AskRun(EdgeNode* edge);
  void StartRun(VertexNode* vertex, EdgeNode* edge);
  void AskLoad(EdgeNode* edge, const CacheRecord& record);
  void AskSave(EdgeNode* edge);
  // True if the caller is to start the work.
  bool Wait(SharedTask& task, VertexNode* vertex, EdgeNode* edge);
  // Counts the tasks of a vertex.
  void Begin(VertexNode* vertex);
  void End(VertexNode* vertex);
  // Ends the task. True if `status` says something about the vertex rather than about who left.
  bool End(SharedTask& task, VertexNode* vertex, const absl::Status& status, std::vector<EdgeNode*>& waiters);
  void Cancel(SharedTask& task);
  void Bury(std::vector<std::shared_ptr<VertexNode>> dead);

  std::vector<std::string> Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) override;
  std::vector<CacheRecord> Records(const std::string& id) override;
  bool Exists(const std::string& id) override;

  CacheKeys keys_;
  Graph graph_;
  EqualEdges equal_;
  std::deque<EdgeNode*> queue_, settling_;
  std::unordered_set<std::shared_ptr<BuildRequest>> requests_;  // that wait
  std::unordered_set<VertexNode*> busy_;                        // vertices with running tasks
  bool requests_ended_ = false;
  Guarded<Mailbox> mailbox_;
  OpThreads run_threads_{kRunThreads}, short_threads_{kShortThreads};
  std::thread thread_;
};

}  // namespace bk::solver
