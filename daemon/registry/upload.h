// One blob on its way into a repository: mounted from another one, sent whole, or in pieces where the registry takes no large
// bodies (distribution-spec v1.1, "Pushing blobs"). Internal to daemon/registry; belongs to one thread.
#pragma once

#include <functional>
#include <optional>

#include "daemon/registry/repository.h"

namespace bk::registry {

class Upload {
 public:
  // Both must outlive it. `mount_from`: another repository that may have the blob; "" if none is known.
  Upload(const Repository& repository, const Descriptor& blob, std::string mount_from) : repository_(repository), blob_(blob), mount_from_(std::move(mount_from)) {}
  // True if the registry mounted the blob, so that nothing needs to be sent.
  absl::StatusOr<bool> Mount(const CancelToken& cancel);
  // Sends the bytes of `fd`. An upload that broke off is continued where the registry can tell how far it came, else begun
  // anew. `on_sent` is told how many bytes of the blob went out, fewer after a new beginning.
  absl::Status Send(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent);

 private:
  // What became of a try.
  enum class Next { kDone, kAgain, kAgainLater };
  struct Outcome {
    Next next = Next::kDone;
    absl::Status status;
    std::optional<HttpResponse> response;
  };
  absl::Status Begin(const CancelToken& cancel, const HttpResponse& answer, const std::string& url);
  absl::StatusOr<HttpResponse> Post(const CancelToken& cancel, const std::string& query, std::string& url) const;
  Outcome Try(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent);
  Outcome Whole(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent);
  Outcome Pieces(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent);
  Outcome Judge(const HttpRequest& request, const absl::StatusOr<HttpResponse>& answer) const;
  // How many bytes the registry has; negative if it does not say.
  int64_t Received(const CancelToken& cancel);
  void Follow(const HttpResponse& answer, const std::string& url);
  HttpRequest ToLocation(const char* method, bool with_digest) const;

  const Repository& repository_;
  const Descriptor& blob_;
  const std::string mount_from_;
  std::string location_;  // of the upload that is under way; "" if there is none
  bool location_by_loopback_ = false;
  int64_t piece_bytes_ = 0, least_piece_bytes_ = 0;  // 0: whole
};

}  // namespace bk::registry
