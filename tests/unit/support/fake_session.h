// A connected client made of values: credentials, a token, a content store, what exports sent to it.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/guarded.h"
#include "daemon/session/session.h"

namespace bk::testing {

class FakeStore : public session::RemoteStore {
 public:
  using Blobs = std::map<std::string, std::string>;
  FakeStore(Guarded<Blobs>* blobs, std::vector<std::string>* order) : blobs_(blobs), order_(order) {}
  absl::StatusOr<int64_t> Size(const CancelToken&, const std::string& digest) override {
    return blobs_->With([&](Blobs& b) -> absl::StatusOr<int64_t> {
      if (!b.contains(digest)) return NotFound("content ", digest, ": not found");
      return static_cast<int64_t>(b[digest].size());
    });
  }
  absl::Status Read(const CancelToken&, const std::string& digest, int64_t offset, int64_t size, const std::function<absl::Status(std::string_view)>& sink) override {
    std::string bytes = blobs_->With([&](Blobs& b) { return b[digest]; });
    return sink(std::string_view(bytes).substr(static_cast<size_t>(offset), size == 0 ? std::string::npos : static_cast<size_t>(size)));
  }
  absl::Status Write(const CancelToken&, const std::string& ref, const std::string& digest, int64_t, const std::function<absl::StatusOr<std::string>()>& next_piece) override {
    std::string bytes;
    while (true) {
      BK_TRY(std::string piece, next_piece());
      if (piece.empty()) break;
      bytes += piece;
    }
    blobs_->With([&](Blobs& b) {
      b[digest] = bytes;
      order_->push_back(ref);
    });
    return absl::OkStatus();
  }

 private:
  Guarded<Blobs>* blobs_;
  std::vector<std::string>* order_;
};

class FakeSession : public session::Session {
 public:
  session::Credentials credentials;
  session::Token token;
  std::string authority;  // the public key it names; "": takes no part in tokens
  bool declines = false;                       // answers exports with AlreadyExists
  std::string sent;                            // bytes of the last export
  std::map<std::string, std::string> headers;  // of the last export
  Guarded<FakeStore::Blobs> blobs;
  std::vector<std::string> written;  // keys of store writes in order
  std::vector<session::TokenRequest> token_requests;
  int credential_requests = 0;
  std::map<std::string, std::string> secrets, uploads;  // by id, by path of the URL
  std::vector<std::string> secrets_asked;
  // Gives the packet stream of a transfer; set by tests that need one.
  std::function<absl::StatusOr<std::unique_ptr<fsutil::Stream>>()> packets;

  std::mutex headers_mutex;

  const std::string& id() const override { return id_; }
  const std::string& name() const override { return id_; }
  const std::string& shared_key() const override { return shared_key_; }
  CancelSource ended;  // the client is gone once this is cancelled
  CancelToken gone() const override { return ended.token(); }
  bool Supports(std::string_view) const override { return true; }
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSync(const CancelToken&, const session::FileSyncRequest&) override { return Packets(); }
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSendPackets(const CancelToken&, const std::map<std::string, std::string>& given) override {
    std::lock_guard lock(headers_mutex);  // platforms are sent at the same time
    headers = given;
    return Packets();
  }
  absl::StatusOr<std::unique_ptr<session::ByteSink>> OpenFileSendBytes(const CancelToken&, const std::map<std::string, std::string>& given) override {
    std::lock_guard lock(headers_mutex);
    headers = given;
    sent.clear();
    return std::make_unique<Sink>(this);
  }
  absl::Status PullUpload(const CancelToken&, const std::string&, const std::string& path, const std::function<absl::Status(std::string_view)>& sink) override {
    auto found = uploads.find(path);
    return found == uploads.end() ? Unimplemented("this client uploads nothing") : sink(found->second);
  }
  absl::StatusOr<std::string> GetSecret(const CancelToken&, const std::string& secret) override {
    secrets_asked.push_back(secret);
    auto found = secrets.find(secret);
    if (found == secrets.end()) return NotFound("secret ", secret, ": not found");
    return found->second;
  }
  absl::StatusOr<session::Credentials> GetCredentials(const CancelToken&, const std::string&) override {
    credential_requests++;
    return credentials;
  }
  absl::StatusOr<session::Token> FetchToken(const CancelToken&, const session::TokenRequest& request) override {
    token_requests.push_back(request);
    if (token.token.empty()) return Unimplemented("FetchToken");
    return token;
  }
  absl::StatusOr<std::string> GetTokenAuthority(const CancelToken&, const std::string&, const std::string&) override { return authority; }
  absl::StatusOr<std::string> VerifyTokenAuthority(const CancelToken&, const std::string&, const std::string&, const std::string&) override { return Unimplemented("VerifyTokenAuthority"); }
  std::unique_ptr<session::RemoteStore> Store(const std::string&) override { return std::make_unique<FakeStore>(&blobs, &written); }

 private:
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> Packets() { return packets ? packets() : Unimplemented("this client transfers no files"); }
  class Sink : public session::ByteSink {
   public:
    explicit Sink(FakeSession* owner) : owner_(owner) {}
    absl::Status Write(std::string_view bytes) override {
      owner_->sent += bytes;
      return absl::OkStatus();
    }
    absl::Status Close() override { return owner_->declines ? AlreadyExists("target already exists") : absl::OkStatus(); }

   private:
    FakeSession* owner_;
  };
  std::string id_ = "session", shared_key_ = "key";
};

class FakeSessions : public session::Manager {
 public:
  std::shared_ptr<FakeSession> client = std::make_shared<FakeSession>();
  absl::StatusOr<std::shared_ptr<session::Session>> Get(const CancelToken&, const std::string& id, bool) override {
    if (id != client->id()) return NotFound("no active session for ", id, ": context deadline exceeded");
    return std::shared_ptr<session::Session>(client);
  }
};

}  // namespace bk::testing
