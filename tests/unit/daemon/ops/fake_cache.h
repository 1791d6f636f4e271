// A cache over plain directories: a ref is a directory, a new one is a copy. Counts what is alive, so that tests see leaks.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/os/file.h"
#include "daemon/cache/ref.h"
#include "daemon/solver/op.h"

namespace bk::ops::test {

struct FakeState {
  std::mutex mutex;
  std::string root;
  int next = 0, mounts = 0, writable = 0, merges = 0, diffs = 0;
  bool fail_commit = false;
  std::vector<std::string> events;  // "commit ID", "drop ID", "mount ID ro"
  std::map<std::string, std::string> index;  // id of a retained tree → index
  std::set<std::string> held;
  std::map<std::string, std::string> descriptions;
};

class FakeMount : public cache::ActiveMount {
 public:
  FakeMount(FakeState* state, std::string dir) : state_(state), mounts_{{"bind", std::move(dir), {"rw", "rbind"}}} { state_->mounts++; }
  ~FakeMount() override { state_->mounts--; }
  const std::vector<os::Mount>& mounts() const override { return mounts_; }

 private:
  FakeState* state_;
  std::vector<os::Mount> mounts_;
};

class FakeImmutable : public cache::ImmutableRef {
 public:
  FakeImmutable(FakeState* state, std::string id) : state_(state), id_(std::move(id)) {}
  const std::string& Id() const override { return id_; }
  std::string dir() const { return state_->root + "/" + id_; }
  absl::StatusOr<std::unique_ptr<cache::ActiveMount>> Mount(const CancelToken&, const cache::FetchContext&, bool readonly) const override {
    state_->events.push_back(StrCat("mount ", id_, readonly ? " ro" : " rw"));
    return std::make_unique<FakeMount>(state_, dir());
  }
  std::vector<cache::ImmutablePtr> LayerChain() const override { return {}; }
  absl::StatusOr<std::vector<cache::Layer>> Layers(const CancelToken&, const cache::FetchContext&, const CompressionChoice&, bool) const override { return Unimplemented("layers"); }
  absl::StatusOr<int64_t> SizeBytes(const CancelToken&) const override { return 0; }
  absl::Status Extract(const CancelToken&, const cache::FetchContext&) const override { return absl::OkStatus(); }
  bool IsLazy() const override { return false; }
  std::string Description() const override { return ""; }
  int64_t CreatedNs() const override { return 77; }
  std::string GetValue(const std::string&) const override { return ""; }
  absl::Status SetValue(const std::string&, const std::string&) const override { return absl::OkStatus(); }

 private:
  FakeState* state_;
  std::string id_;
};

class FakeMutable : public cache::MutableRef {
 public:
  FakeMutable(FakeState* state, std::string id, bool retain) : state_(state), id_(std::move(id)), retain_(retain) {
    std::lock_guard lock(state_->mutex);
    state_->writable++;
    state_->held.insert(id_);
  }
  ~FakeMutable() override {
    std::lock_guard lock(state_->mutex);
    state_->writable--;
    state_->held.erase(id_);
    if (!committed_ && !retain_) state_->events.push_back("drop " + id_);
  }
  const std::string& Id() const override { return id_; }
  absl::StatusOr<std::unique_ptr<cache::ActiveMount>> Mount(const CancelToken&, const cache::FetchContext&, bool readonly) const override {
    state_->events.push_back(StrCat("mount ", id_, readonly ? " ro" : " rw"));
    return std::make_unique<FakeMount>(state_, state_->root + "/" + id_);
  }
  absl::StatusOr<cache::ImmutablePtr> Commit(const CancelToken&) override {
    if (state_->fail_commit) return Internal("disk full");
    committed_ = true;
    state_->events.push_back(StrCat("commit ", id_, " with ", state_->mounts, " mounts"));
    return cache::ImmutablePtr(std::make_shared<FakeImmutable>(state_, id_));
  }
  absl::Status SetIndex(const std::string& index) override {
    std::lock_guard lock(state_->mutex);
    state_->index[id_] = index;
    return absl::OkStatus();
  }
  std::string GetValue(const std::string&) const override { return ""; }
  absl::Status SetValue(const std::string&, const std::string&) const override { return absl::OkStatus(); }
  absl::Status Destroy() override {
    std::lock_guard lock(state_->mutex);
    state_->index.erase(id_);
    state_->events.push_back("destroy " + id_);
    return absl::OkStatus();
  }

 private:
  FakeState* state_;
  std::string id_;
  bool retain_, committed_ = false;
};

class FakeCache : public cache::CacheManager {
 public:
  FakeCache() : dir_(os::TempDir::Make("fake-cache-").value()) { state.root = dir_.path(); }
  FakeState state;

  // A committed tree with the given files.
  cache::ImmutablePtr Tree(const std::map<std::string, std::string>& files) {
    std::string id = NewDir();
    for (const auto& [path, text] : files) {
      std::filesystem::create_directories(std::filesystem::path(state.root + "/" + id + "/" + path).parent_path());
      (void)os::WriteFile(state.root + "/" + id + "/" + path, text, 0644);
    }
    return std::make_shared<FakeImmutable>(&state, id);
  }
  std::string Text(const cache::ImmutablePtr& ref, const std::string& path) const { return os::ReadFile(state.root + "/" + ref->Id() + "/" + path).value_or("<none>"); }

  absl::StatusOr<cache::MutablePtr> New(const CancelToken&, const cache::FetchContext&, const cache::ImmutablePtr& parent, const cache::NewOptions& options) override {
    std::string id = NewDir();
    if (parent != nullptr) std::filesystem::copy(state.root + "/" + parent->Id(), state.root + "/" + id, std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
    state.descriptions[id] = options.description;
    return cache::MutablePtr(std::make_unique<FakeMutable>(&state, id, options.retain));
  }
  absl::StatusOr<cache::ImmutablePtr> Get(const CancelToken&, const std::string& id) override {
    if (!os::Exists(state.root + "/" + id)) return NotFound("no record ", id);
    return cache::ImmutablePtr(std::make_shared<FakeImmutable>(&state, id));
  }
  absl::StatusOr<cache::MutablePtr> GetMutable(const CancelToken&, const std::string& id) override {
    {
      std::lock_guard lock(state.mutex);
      if (state.held.contains(id)) return FailedPrecondition("locked");
    }
    return cache::MutablePtr(std::make_unique<FakeMutable>(&state, id, true));
  }
  std::vector<std::string> FindMutable(const std::string& index) override {
    return Indexed([&](const std::string& of) { return of == index; });
  }
  std::vector<std::string> FindCommitted(const std::string&) override { return {}; }
  std::vector<std::string> FindMutableBelow(const std::string& index) override {
    return Indexed([&](const std::string& of) { return of.starts_with(index + ":"); });
  }
  std::vector<std::string> Indexed(const std::function<bool(const std::string&)>& matches) {
    std::lock_guard lock(state.mutex);
    std::vector<std::string> ids;
    for (const auto& [id, value] : state.index) {
      if (matches(value)) ids.push_back(id);
    }
    return ids;
  }
  absl::StatusOr<cache::ImmutablePtr> GetByBlob(const CancelToken&, const Descriptor&, const Digest&, const cache::ImmutablePtr&, cache::BlobFetcher, const cache::NewOptions&) override { return Unimplemented("blobs"); }
  absl::StatusOr<cache::ImmutablePtr> Merge(const CancelToken&, const std::vector<cache::ImmutablePtr>&, const cache::NewOptions&) override {
    state.merges++;
    return cache::ImmutablePtr(std::make_shared<FakeImmutable>(&state, NewDir()));
  }
  absl::StatusOr<cache::ImmutablePtr> Diff(const CancelToken&, const cache::ImmutablePtr&, const cache::ImmutablePtr&, const cache::NewOptions&) override {
    state.diffs++;
    return cache::ImmutablePtr(std::make_shared<FakeImmutable>(&state, NewDir()));
  }
  absl::StatusOr<std::vector<cache::UsageRecord>> DiskUsage(const CancelToken&, const std::vector<std::string>&) override { return std::vector<cache::UsageRecord>(); }
  absl::Status Prune(const CancelToken&, const std::vector<cache::PruneOptions>&, const std::function<void(const cache::UsageRecord&)>&) override { return absl::OkStatus(); }
  void OnRemoved(std::function<void(const std::string&)>) override {}

 private:
  std::string NewDir() {
    std::lock_guard lock(state.mutex);
    std::string id = "r" + std::to_string(state.next++);
    std::filesystem::create_directory(state.root + "/" + id);
    return id;
  }
  os::TempDir dir_;
};

class FakeContext : public solver::OpContext {
 public:
  std::vector<std::string> SessionIds() const override { return sessions; }
  solver::VertexProgress Progress() const override { return {}; }
  std::vector<std::string> sessions;
};

}  // namespace bk::ops::test
