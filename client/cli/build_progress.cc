#include "client/cli/build_progress.h"

#include <chrono>

#include "base/digest.h"
#include "base/id.h"
#include "base/os/file.h"
#include "client/progress/status_json.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::StatusResponse;

constexpr int64_t kSecond = 1'000'000'000;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void SetTime(google::protobuf::Timestamp* out, int64_t ns) {
  out->set_seconds(ns / kSecond);
  out->set_nanos(static_cast<int32_t>(ns % kSecond));
}

}  // namespace

BuildProgress::BuildProgress(std::unique_ptr<Display> display, os::UniqueFd trace)
    : display_(std::move(display)), trace_(std::move(trace)), started_ns_(NowNs()) {}

void BuildProgress::FromDaemon(StatusResponse status) {
  std::lock_guard lock(mutex_);
  for (const auto& vertex : status.vertexes()) {
    if (difference_ns_.has_value() || !vertex.has_started()) continue;
    difference_ns_ = started_ns_ - (vertex.started().seconds() * kSecond + vertex.started().nanos());
  }
  ShiftTimes(status, difference_ns_.value_or(0));
  Show(status);
}

void BuildProgress::Note(const std::string& name) {
  std::lock_guard lock(mutex_);
  StatusResponse status;
  auto* vertex = status.add_vertexes();
  vertex->set_digest(DigestOf(NewId()).str());
  vertex->set_name(name);
  SetTime(vertex->mutable_started(), NowNs());
  Show(status);
  SetTime(vertex->mutable_completed(), NowNs());
  Show(status);
}

void BuildProgress::Finish(const absl::Status& outcome) {
  std::lock_guard lock(mutex_);
  display_->Finish(outcome);
}

void BuildProgress::Show(const StatusResponse& status) {
  if (trace_) (void)os::WriteAll(trace_.get(), StatusJson(status) + "\n");
  display_->Update(status);
}

}  // namespace bk::client
