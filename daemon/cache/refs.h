// The handles over records. Internal to daemon/cache.
#pragma once

#include <utility>

#include "daemon/cache/manager.h"

namespace bk::cache {

// Gives back a handle that the caller took.
class HeldRecord {
 public:
  HeldRecord(Manager* manager, RecordPtr record) : manager_(manager), record_(std::move(record)) {}
  ~HeldRecord() { manager_->Release(record_, false); }
  HeldRecord(const HeldRecord&) = delete;
  Manager* manager() const { return manager_; }
  const RecordPtr& record() const { return record_; }

 private:
  Manager* const manager_;
  const RecordPtr record_;
};

class ImmutableHandle : public ImmutableRef {
 public:
  explicit ImmutableHandle(std::shared_ptr<HeldRecord> held) : held_(std::move(held)) {}
  const RecordPtr& record() const { return held_->record(); }
  Manager& manager() const { return *held_->manager(); }

  absl::StatusOr<std::unique_ptr<ActiveMount>> Mount(const CancelToken& cancel, const FetchContext& fetch, bool readonly) const override;
  const std::string& Id() const override { return record()->id; }
  std::vector<ImmutablePtr> LayerChain() const override;
  absl::StatusOr<std::vector<Layer>> Layers(const CancelToken& cancel, const FetchContext& fetch, const CompressionChoice& compression, bool create) const override;
  absl::StatusOr<int64_t> SizeBytes(const CancelToken&) const override { return held_->manager()->Measure(record()); }
  absl::Status Extract(const CancelToken& cancel, const FetchContext& fetch) const override { return held_->manager()->Extract(cancel, fetch, record()); }
  bool IsLazy() const override { return record()->state == RecordState::kLazy; }
  std::string Description() const override { return record()->description; }
  int64_t CreatedNs() const override { return record()->created_ns; }
  std::string GetValue(const std::string& key) const override { return held_->manager()->Value(record(), key); }
  absl::Status SetValue(const std::string& key, const std::string& value) const override { return held_->manager()->SaveValue(record(), key, value); }

 private:
  std::shared_ptr<HeldRecord> held_;
};

class MutableHandle : public MutableRef {
 public:
  // Takes over a handle of the record.
  MutableHandle(Manager* manager, RecordPtr record) : manager_(manager), record_(std::move(record)) {}
  ~MutableHandle() override {
    if (record_ != nullptr) manager_->Release(record_, !record_->retained);
  }
  const RecordPtr& record() const { return record_; }
  Manager* manager() const { return manager_; }
  absl::StatusOr<std::unique_ptr<ActiveMount>> Mount(const CancelToken& cancel, const FetchContext& fetch, bool readonly) const override;
  const std::string& Id() const override { return record_->id; }
  absl::StatusOr<ImmutablePtr> Commit(const CancelToken& cancel) override;
  absl::Status SetIndex(const std::string& index) override;
  std::string GetValue(const std::string& key) const override { return manager_->Value(record_, key); }
  absl::Status SetValue(const std::string& key, const std::string& value) const override { return manager_->SaveValue(record_, key, value); }
  absl::Status Destroy() override;

 private:
  Manager* manager_;
  RecordPtr record_;
};

// A value of records whose tree is being changed by a transfer: not to be used again after a crash.
inline constexpr char kTransferMark[] = "transfer";
// Values with this prefix name the blob in other compressions (Record::variants).
inline constexpr char kVariantPrefix[] = "variant.";

// The record behind a ref of this store.
RecordPtr RecordOf(const ImmutablePtr& ref);

}  // namespace bk::cache
