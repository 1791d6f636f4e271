// The lock file: what every image, git ref and URL of a build resolved to (docs/lock.md).
//
// One format for the file and for its way between client and daemon: JSON with a version, sources sorted by name, one value
// each. A value covers all platforms of an image (the digest is the index's); the platforms say which ones were asked for.
// Values; not thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::llb {

// SolveRequest.FrontendAttrs that only this project's daemons know; they go to no frontend. See docs/wire.md.
inline constexpr char kLockRecordAttr[] = "bk.lock.record";   // "true": the response is to have kLockResponse
inline constexpr char kLockSourcesAttr[] = "bk.lock.sources";  // a lock file's text: nothing else is accepted
inline constexpr char kOfflineAttr[] = "bk.offline";           // "true": no connection is made for the build's sources
// SolveResponse.ExporterResponse: the lock file's text.
inline constexpr char kLockResponse[] = "bk.lock.sources";

struct LockedSource {
  std::string resolved;             // "sha256:…" of an image or a URL, the id of a git commit (or of an annotated tag)
  std::set<std::string> platforms;  // "linux/arm64/v8"; of images
};

class SourceLock {
 public:
  // InvalidArgument says what is wrong with the text, or that its version is a later one.
  static absl::StatusOr<SourceLock> Parse(const std::string& text);
  std::string Text() const;

  // FailedPrecondition when `name` is known with another value. `platform` may be empty.
  absl::Status Add(const std::string& name, const std::string& resolved, const std::string& platform);
  // What the file says of `name`; for an image that is named with its digest also by the name without it. Null: nothing.
  const LockedSource* Find(const std::string& name) const;
  // Images that are named with their digest only because an earlier question gave it ("NAME@D" beside NAME with D) are
  // one source, not two.
  void Fold();
  const std::map<std::string, LockedSource>& sources() const { return sources_; }

 private:
  std::map<std::string, LockedSource> sources_;
};

// Whether a source is fetched from the outside: not from the client's session, nor made by steps.
bool IsOutside(std::string_view identifier);
// How a lock file names the source of a canonical identifier: without passwords.
std::string LockName(const std::string& identifier);
// "docker-image://NAME@DIGEST" cut into both parts; false if there is no digest or it is no image.
bool CutImageDigest(std::string_view name, std::string_view& image, std::string_view& digest);

}  // namespace bk::llb
