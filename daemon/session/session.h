// Clients that are connected with a session, and what the daemon may ask of them (traps 2, 6, 19, 21, 22).
//
// A session is an HTTP/2 connection inside Control.Session on which the daemon is the gRPC client. These interfaces hide
// gRPC from sources, exporters and ops. All calls block and honour `cancel`. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/status.h"
#include "proto/fsutil/stream.h"

namespace bk::session {

struct Credentials {
  std::string username, secret;  // secret without username is an identity token
};

struct TokenRequest {
  std::string client_id, host, realm, service;
  std::vector<std::string> scopes;
};
struct Token {
  std::string token;
  int64_t expires_in_s = 0;
  int64_t issued_at_s = 0;
};

// Which part of a client's directory is wanted (headers of FileSync.DiffCopy, trap 22).
struct FileSyncRequest {
  std::string dir_name;
  std::vector<std::string> include_patterns, exclude_patterns, follow_paths;
};

// Bytes to a client (FileSend.DiffCopy with BytesMessage).
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual absl::Status Write(std::string_view bytes) = 0;
  // Ends the stream and waits for the client's answer. AlreadyExists: the client declined (trap 21).
  virtual absl::Status Close() = 0;
};

// Blobs in a store of the client (content service with header buildkit-attachable-store-id).
class RemoteStore {
 public:
  virtual ~RemoteStore() = default;
  virtual absl::StatusOr<int64_t> Size(const CancelToken& cancel, const std::string& digest) = 0;  // NotFound
  virtual absl::Status Read(const CancelToken& cancel, const std::string& digest, int64_t offset, int64_t size,
                            const std::function<absl::Status(std::string_view)>& sink) = 0;
  // Sends pieces until an empty one. A blob that is there already is fine; one that another writer holds is waited for.
  virtual absl::Status Write(const CancelToken& cancel, const std::string& ref, const std::string& digest, int64_t size,
                             const std::function<absl::StatusOr<std::string>()>& next_piece) = 0;
};

// One connected client.
class Session {
 public:
  virtual ~Session() = default;
  virtual const std::string& id() const = 0;
  virtual const std::string& name() const = 0;
  virtual const std::string& shared_key() const = 0;
  // Ends (cancelled) when the client is gone.
  virtual CancelToken gone() const = 0;
  // Whether the client said that it comes back when its connection breaks.
  virtual bool returns() const { return false; }
  virtual bool Supports(std::string_view grpc_method) const = 0;  // "/moby.filesync.v1.FileSync/DiffCopy"

  // Opens the packet stream of a local source. The receiver side is proto/fsutil's.
  virtual absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSync(const CancelToken& cancel, const FileSyncRequest& request) = 0;
  // Opens the packet stream of a local export; `headers` as trap 21 (buildkit-attachable-exporter-id, exporter-md-*, …).
  virtual absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSendPackets(const CancelToken& cancel, const std::map<std::string, std::string>& headers) = 0;
  virtual absl::StatusOr<std::unique_ptr<ByteSink>> OpenFileSendBytes(const CancelToken& cancel, const std::map<std::string, std::string>& headers) = 0;

  // What the client holds ready at http://HOST/PATH (Upload.Pull; its stdin as a build context). Unimplemented when it offers
  // nothing of the kind.
  virtual absl::Status PullUpload(const CancelToken& cancel, const std::string& host, const std::string& path, const std::function<absl::Status(std::string_view)>& sink) = 0;

  virtual absl::StatusOr<std::string> GetSecret(const CancelToken& cancel, const std::string& id) = 0;  // NotFound
  virtual absl::StatusOr<Credentials> GetCredentials(const CancelToken& cancel, const std::string& host) = 0;
  virtual absl::StatusOr<Token> FetchToken(const CancelToken& cancel, const TokenRequest& request) = 0;
  // The client's public key for `host` under the daemon's salt; empty when the client does not take part.
  virtual absl::StatusOr<std::string> GetTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt) = 0;
  // `payload` signed (64 bytes of signature, then the payload).
  virtual absl::StatusOr<std::string> VerifyTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt, const std::string& payload) = 0;
  virtual std::unique_ptr<RemoteStore> Store(const std::string& store_id) = 0;

  // OK if the client forwards an ssh agent under `id`; Unimplemented when it forwards none at all.
  virtual absl::Status CheckSshAgent(const CancelToken&, const std::string& id) { return Unimplemented("no ssh agent ", Quote(id)); }
  // Joins the connected stream socket `fd` to that agent until either side ends or `cancel`; `fd` is shut down then.
  virtual absl::Status ForwardSshAgent(const CancelToken&, const std::string& id, int fd) {
    (void)fd;
    return Unimplemented("no ssh agent ", Quote(id));
  }
};

// All connected clients.
class Manager {
 public:
  virtual ~Manager() = default;
  // Whether a session that is gone is waited for: its client asked for that, and the time is not over.
  virtual bool MayReturn(const std::string&) const { return false; }
  // Waits up to 5 s for the session to connect (for one that may return: until its time is over) unless `no_wait`. `id` may be "prefix:id" (RPC-045). NotFound
  // `no active session for ID: context deadline exceeded`.
  virtual absl::StatusOr<std::shared_ptr<Session>> Get(const CancelToken& cancel, const std::string& id, bool no_wait = false) = 0;
};

// Calls `f` with the session; again, from its beginning, with the one that takes its place when the client's connection broke
// in the middle and came back. NotFound as Get.
absl::Status WithSession(const CancelToken& cancel, Manager& manager, const std::string& id, const std::function<absl::Status(const std::shared_ptr<Session>&)>& f);

// The sessions of the builds a vertex works for: tries `f` as WithSession does on each live one until it succeeds; the last error otherwise,
// FailedPrecondition "no active sessions" when there is none.
absl::Status Any(const CancelToken& cancel, Manager& manager, const std::vector<std::string>& ids,
                 const std::function<absl::Status(const std::shared_ptr<Session>&)>& f);

}  // namespace bk::session
