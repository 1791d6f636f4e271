// The status stream of a build as one blob: what Control.Status said, to be said again.
//
// Format of the reference (application/vnd.buildkit.status.v0): for each StatusResponse its length, 4 bytes little endian, and its
// protobuf. Blocking; a writer belongs to one thread.
#pragma once

#include <functional>
#include <map>

#include "control/control.pb.h"
#include "snapshotter/content/content_store.h"

namespace bk::history {

using StatusResponse = moby::buildkit::v1::StatusResponse;
using BlobDescriptor = moby::buildkit::v1::Descriptor;

inline constexpr char kStatusLogType[] = "application/vnd.buildkit.status.v0";

// Ends a blob of a record.
absl::StatusOr<BlobDescriptor> CommitBlob(content::Ingest& ingest, const char* media_type);

class StatusLogWriter {
 public:
  static absl::StatusOr<StatusLogWriter> Begin(content::ContentStore& content);
  absl::Status Add(const StatusResponse& response);
  absl::StatusOr<BlobDescriptor> Finish();

  // Of the vertices that were told so far.
  int total_steps() const { return static_cast<int>(vertices_.size()); }
  int cached_steps() const;
  int completed_steps() const;
  int warnings() const { return warnings_; }

 private:
  explicit StatusLogWriter(content::Ingest ingest) : ingest_(std::move(ingest)) {}
  struct Vertex {
    bool cached = false, completed = false;
  };
  content::Ingest ingest_;
  std::map<std::string, Vertex> vertices_;
  int warnings_ = 0;
};

// Says every response of the blob in order, until `say` fails. DataLoss: the blob is no such log.
absl::Status ReadStatusLog(const content::ContentStore& content, const BlobDescriptor& log, const std::function<absl::Status(const StatusResponse&)>& say);

}  // namespace bk::history
