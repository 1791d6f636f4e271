// The tree of one file that a download becomes: written, hashed and bounded, then committed with what is known of it.
//
// Dropped without trace unless committed. Belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/cache/ref.h"
#include "daemon/source/http/checksum.h"
#include "daemon/source/http/http.h"
#include "daemon/source/identifier.h"
#include "daemon/source/single_file.h"

namespace bk::source::http {

// What is kept with the record for later builds.
struct Facts {
  std::string etag;           // without "W/"; "": there is nothing to ask a server with
  std::string last_modified;  // the header as it came
  std::string filename;
  bool kept = true;  // it is found by its request when no connection may be made
};

class Payload {
 public:
  static absl::StatusOr<std::unique_ptr<Payload>> Create(const CancelToken& cancel, const cache::FetchContext& context, const HttpSourceOptions& options, const HttpIdentifier& id);

  // ResourceExhausted when so many bytes will not be taken.
  absl::Status Expect(int64_t size_bytes) const;
  absl::Status Write(std::string_view bytes);
  // Begins anew with an empty file.
  absl::Status Restart();
  // Makes the tree immutable. FailedPrecondition `digest mismatch GOT: WANTED` unless `wanted` is empty or its digest.
  absl::StatusOr<cache::ImmutablePtr> Commit(const CancelToken& cancel, const Facts& facts, std::optional<int64_t> mtime, const Digest& wanted);
  const Digest& digest() const { return digest_; }  // sha256, once committed

 private:
  Payload(const HttpSourceOptions& options, const HttpIdentifier& id) : options_(options), id_(id) {}
  int64_t Room() const;

  const HttpSourceOptions& options_;
  const HttpIdentifier& id_;
  std::unique_ptr<SingleFile> file_;
  std::optional<Checksum> sha256_, other_;  // the other one: of the pinned checksum, if that is no sha256
  Digest digest_;
  int64_t size_bytes_ = 0, checked_bytes_ = 0;
};

inline constexpr char kEtagValue[] = "http.etag", kDigestValue[] = "http.checksum", kModifiedValue[] = "http.modtime", kFilenameValue[] = "http.filename";
// The index under which downloads of one request are found.
std::string IndexOf(const HttpIdentifier& id);

}  // namespace bk::source::http
