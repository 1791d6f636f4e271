#include "daemon/solver/op_runner.h"

#include <algorithm>

namespace bk::solver {

absl::StatusOr<Op*> SharedOp::Get() {
  std::lock_guard lock(mutex_);
  if (op_ == nullptr && error_.ok()) {
    auto op = vertex_->make_op();
    if (op.ok()) {
      op_ = *std::move(op);
    } else {
      error_ = op.status();
    }
  }
  if (!error_.ok()) return error_;
  return op_.get();
}

bool Execution::Ask(SaveRequest request) {
  return state_.With([&](State& s) {
    if (s.closed) return false;
    s.wanted.push_back(std::move(request));
    return true;
  });
}

std::vector<SaveRequest> Execution::Close() {
  return state_.With([](State& s) {
    s.closed = true;
    return std::exchange(s.wanted, {});
  });
}

absl::StatusOr<CacheMapPtr> RunCacheMap(const CancelToken& cancel, SharedOp& op, int index) {
  const std::shared_ptr<VertexFeed>& feed = op.feed();
  FeedContext context(feed);
  CacheMapPtr map;
  auto work = [&]() -> absl::Status {
    BK_TRY(Op * made, op.Get());
    BK_TRY(CacheMap found, made->GetCacheMap(cancel, context, index));
    map = std::make_shared<CacheMap>(std::move(found));
    return absl::OkStatus();
  };
  // Only sources do something that a user should see.
  absl::Status status = feed->vertex().inputs.empty() ? feed->Around(work) : work();
  if (!status.ok()) return feed->Named(Annotate(status, "failed to load cache key"));
  if (!map->pins.empty()) feed->Pin(map->pins);
  feed->Note([&](StepNotes& notes) {
    notes.key = map->digest;
    if (!map->pins.empty()) notes.pins = map->pins;
  });
  return map;
}

absl::StatusOr<Digest> RunContent(const CancelToken& cancel, SharedOp& op, VertexFeed& input, const CacheMapDep& dep, const ResultPtr& result) {
  auto compute = [&]() -> absl::StatusOr<Digest> {
    if (dep.preprocess) {
      FeedContext context(input.shared_from_this());
      BK_RETURN_IF_ERROR(dep.preprocess(cancel, context, result));
    }
    if (!dep.content) return Digest();
    FeedContext context(op.feed());
    return dep.content(cancel, context, result);
  };
  absl::StatusOr<Digest> digest = compute();
  if (digest.ok()) return digest;
  absl::Status error = digest.status();
  if (!cancel.cancelled()) op.feed()->Around([&] { return error; }).IgnoreError();
  return op.feed()->Named(Annotate(error, "failed to compute cache key"));
}

Saved RunSave(const CacheKeys& keys, const SharedOp& op, const std::vector<ResultPtr>& results, const SaveRequest& request) {
  size_t output = static_cast<size_t>(request.output);
  if (request.output < 0 || output >= results.size() || results[output] == nullptr) {
    return {request.edge, nullptr, op.feed()->Named(Unknown("invalid response from exec need ", request.output, " index but ", results.size(), " results received"))};
  }
  auto records = keys.Save(request.keys, *results[output]);
  if (!records.ok()) return {request.edge, nullptr, op.feed()->Named(records.status())};
  return {request.edge, results[output], std::move(records)};
}

absl::StatusOr<std::vector<Saved>> RunOp(const CancelToken& cancel, SharedOp& op, const CacheKeys& keys, Execution& execution, const std::vector<ResultPtr>& inputs) {
  const std::shared_ptr<VertexFeed>& feed = op.feed();
  FeedContext context(feed);
  std::vector<Saved> saved;
  auto run = [&]() -> absl::Status {
    BK_TRY(Op * made, op.Get());
    auto permit = made->Acquire(cancel);
    if (!permit.ok()) return Annotate(permit.status(), "acquire op resources");
    feed->Note([](StepNotes& notes) {
      notes.ran = notes.failed = true;
      notes.started_ns = NowNs();
    });
    return feed->Around([&]() -> absl::Status {
      auto results = made->Exec(cancel, context, inputs);
      if (!results.ok()) return results.status();
      execution.results = *std::move(results);
      for (const SaveRequest& request : execution.Close()) saved.push_back(RunSave(keys, op, execution.results, request));
      feed->Note([&](StepNotes& notes) {
        notes.failed = false;
        for (const ResultPtr& result : execution.results) {
          if (result != nullptr) notes.result_ids.push_back(result->Id());
        }
      });
      return absl::OkStatus();
    });
  };
  absl::Status status = run();
  execution.Close();
  if (!status.ok()) return feed->Named(status);
  return saved;
}

absl::StatusOr<ResultPtr> RunLoad(const CacheKeys& keys, SharedOp& op, const CacheRecord& record) {
  int64_t started_ns = NowNs();
  auto result = keys.Load(record);
  if (!result.ok()) return result;
  op.feed()->SayCached(started_ns);
  op.feed()->Note([&](StepNotes& notes) {
    notes.loaded = true;
    notes.result_ids.push_back(record.result.id);
  });
  return result;
}

}  // namespace bk::solver
