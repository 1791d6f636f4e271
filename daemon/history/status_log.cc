#include "daemon/history/status_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bk::history {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr uint32_t kResponseBytes = 64 << 20;  // longer ones are none of ours

// Up to `size` bytes; fewer at the end of the file only.
absl::StatusOr<std::string> ReadUpTo(int fd, size_t size) {
  std::string out(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    ssize_t n = read(fd, out.data() + filled, size - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read the log of a build");
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  out.resize(filled);
  return out;
}

}  // namespace

absl::StatusOr<StatusLogWriter> StatusLogWriter::Begin(content::ContentStore& content) {
  BK_TRY(content::Ingest ingest, content.NewIngest());
  return StatusLogWriter(std::move(ingest));
}

absl::Status StatusLogWriter::Add(const StatusResponse& response) {
  warnings_ += response.warnings_size();
  for (const auto& vertex : response.vertexes()) {
    Vertex& known = vertices_[vertex.digest()];
    known.cached |= vertex.cached();
    known.completed |= vertex.has_completed();
  }
  std::string bytes = response.SerializeAsString();
  auto size = static_cast<uint32_t>(bytes.size());
  char header[kHeaderBytes];
  for (size_t i = 0; i < kHeaderBytes; i++) header[i] = static_cast<char>(size >> (8 * i) & 0xff);
  BK_RETURN_IF_ERROR(ingest_.Write({header, kHeaderBytes}));
  return ingest_.Write(bytes);
}

absl::StatusOr<BlobDescriptor> CommitBlob(content::Ingest& ingest, const char* media_type) {
  BlobDescriptor blob;
  blob.set_size(ingest.size_bytes());
  BK_TRY(Digest digest, ingest.Commit({}, -1));
  blob.set_media_type(media_type);
  blob.set_digest(digest.str());
  return blob;
}

absl::StatusOr<BlobDescriptor> StatusLogWriter::Finish() { return CommitBlob(ingest_, kStatusLogType); }

int StatusLogWriter::cached_steps() const {
  return static_cast<int>(std::count_if(vertices_.begin(), vertices_.end(), [](const auto& vertex) { return vertex.second.cached; }));
}

int StatusLogWriter::completed_steps() const {
  return static_cast<int>(std::count_if(vertices_.begin(), vertices_.end(), [](const auto& vertex) { return vertex.second.completed; }));
}

absl::Status ReadStatusLog(const content::ContentStore& content, const BlobDescriptor& log, const std::function<absl::Status(const StatusResponse&)>& say) {
  BK_TRY(Digest digest, Digest::Parse(log.digest()));
  BK_TRY(os::UniqueFd file, content.OpenBlob(digest));
  while (true) {
    BK_TRY(std::string header, ReadUpTo(file.get(), kHeaderBytes));
    if (header.empty()) return absl::OkStatus();
    uint32_t size = 0;
    for (size_t i = 0; i < header.size(); i++) size |= static_cast<uint32_t>(static_cast<uint8_t>(header[i])) << (8 * i);
    if (header.size() < kHeaderBytes || size > kResponseBytes) return DataLoss("blob ", digest.str(), " is no log of a build");
    BK_TRY(std::string bytes, ReadUpTo(file.get(), size));
    StatusResponse response;
    if (bytes.size() < size || !response.ParseFromString(bytes)) return DataLoss("blob ", digest.str(), " is no log of a build");
    BK_RETURN_IF_ERROR(say(response));
  }
}

}  // namespace bk::history
