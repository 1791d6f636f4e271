// One push of an image to one repository. Internal to daemon/registry; Blobs sends several at a time.
#pragma once

#include "daemon/registry/upload.h"

namespace bk::registry {

class Push {
 public:
  // All must outlive it.
  Push(Registry& registry, Repository repository, const PushRequest& request, const solver::VertexProgress& progress)
      : registry_(registry), repository_(std::move(repository)), request_(request), layers_(progress.Start("pushing layers")) {}
  // Brings every blob there that the repository lacks. Reports "pushing layers" with what has to be sent; once.
  absl::Status Blobs(const CancelToken& cancel);
  // `tag` empty: under its digest alone.
  absl::Status Manifest(const CancelToken& cancel, const Descriptor& descriptor, const std::string& tag) const;

 private:
  struct Sent {
    int64_t bytes = 0, total = 0;
  };
  absl::Status Blob(const CancelToken& cancel, const Descriptor& blob);
  absl::Status SendBlob(const CancelToken& cancel, const Descriptor& blob, Registry::Turn& turn);
  absl::StatusOr<bool> Exists(const CancelToken& cancel, std::string_view kind, const std::string& object, const Digest& digest) const;
  void Tell(int64_t more_sent, int64_t more_to_send);

  Registry& registry_;
  const Repository repository_;
  const PushRequest& request_;
  std::optional<solver::VertexProgress::Task> layers_;
  Guarded<Sent> sent_;
};

}  // namespace bk::registry
