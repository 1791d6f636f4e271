#include "daemon/registry/upload.h"

#include <algorithm>
#include <charconv>

#include "base/go_url.h"

namespace bk::registry {
namespace {

constexpr int64_t kLargestPieceBytes = 32 << 20, kSmallestPieceBytes = 256 << 10;
constexpr int kMaxNewBeginnings = 1;  // after an answer that says the upload is not known or not consistent any more

std::optional<int64_t> Number(std::string_view text) {
  int64_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 0) return std::nullopt;
  return out;
}

}  // namespace

absl::StatusOr<HttpResponse> Upload::Post(const CancelToken& cancel, const std::string& query, std::string& url) const {
  HttpRequest post;
  post.method = "POST";
  post.url = url = repository_.Url(repository_.own(), "blobs/uploads", "") + query;
  if (query.empty()) return repository_.Exchange(cancel, repository_.own(), post);
  Repository asking = repository_;
  asking.access().mount_from = mount_from_;
  return asking.Exchange(cancel, repository_.own(), post);
}

absl::StatusOr<bool> Upload::Mount(const CancelToken& cancel) {
  if (mount_from_.empty()) return false;
  std::string url;
  auto answer = Post(cancel, StrCat("?mount=", blob_.digest.str(), "&from=", QueryEscape(mount_from_)), url);
  BK_RETURN_IF_ERROR(cancel.Check());
  // Who may not read that repository, or whose registry does not mount, sends the blob instead.
  if (!answer.ok() || answer->status > 299) return false;
  if (answer->status == 201) return true;
  BK_RETURN_IF_ERROR(Begin(cancel, *answer, url));
  return false;
}

absl::Status Upload::Begin(const CancelToken&, const HttpResponse& answer, const std::string& url) {
  if (answer.Header("location").empty()) return Unavailable("the registry does not say where to upload ", blob_.digest.str());
  location_by_loopback_ = answer.from_loopback;
  least_piece_bytes_ = Number(answer.Header("oci-chunk-min-length")).value_or(0);
  location_.clear();
  Follow(answer, url);
  return location_.empty() ? Unavailable("the registry names no valid place to upload ", blob_.digest.str()) : absl::OkStatus();
}

void Upload::Follow(const HttpResponse& answer, const std::string& url) {
  std::string text = answer.Header("location");
  if (text.empty()) return;
  auto base = GoUrl::Parse(location_.empty() ? url : location_);
  auto location = base.ok() ? base->Resolve(text) : base;
  if (!location.ok()) return;
  // Some registries behind a TLS proxy name themselves with http: the bytes and the token stay encrypted.
  const Endpoint& own = repository_.own();
  if (location->host == own.host && own.scheme == "https" && !own.http_fallback) location->scheme = "https";
  location_ = location->str();
}

HttpRequest Upload::ToLocation(const char* method, bool with_digest) const {
  HttpRequest request;
  request.method = method;
  request.url = location_;
  request.told = true;
  request.told_by_loopback = location_by_loopback_;
  if (auto url = GoUrl::Parse(location_); with_digest && url.ok()) {
    GoUrl::Query query = url->query();
    query["digest"] = {blob_.digest.str()};
    url->raw_query = EncodeQuery(query);
    request.url = url->str();
  }
  return request;
}

Upload::Outcome Upload::Judge(const HttpRequest& request, const absl::StatusOr<HttpResponse>& answer) const {
  if (!answer.ok()) return {absl::IsUnavailable(answer.status()) ? Next::kAgainLater : Next::kDone, answer.status(), {}};
  if (answer->status <= 299) return {};
  Outcome out{Next::kDone, UnexpectedStatus(request, *answer), *answer};
  if (IsTransientStatus(answer->status)) out.next = Next::kAgainLater;
  // An upload that waited too long, or whose bytes are not consistent.
  if (answer->status == 400 || answer->status == 404 || answer->status == 416) out.next = Next::kAgain;
  return out;
}

absl::Status Upload::Send(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent) {
  for (int repetitions = 0, beginnings = 0;;) {
    Outcome outcome = Try(cancel, fd, on_sent);
    if (outcome.status.ok()) return outcome.status;
    BK_RETURN_IF_ERROR(cancel.Check());
    if (outcome.response && outcome.response->status == 413) {
      // Smaller, until it is too small to be the reason.
      int64_t smaller = piece_bytes_ == 0 ? std::min(kLargestPieceBytes, blob_.size / 2) : piece_bytes_ / 4;
      if (smaller < std::max(least_piece_bytes_, kSmallestPieceBytes)) return outcome.status;
      piece_bytes_ = smaller;
    } else if (outcome.next == Next::kAgain && beginnings < kMaxNewBeginnings) {
      beginnings++;
    } else if (outcome.next == Next::kAgainLater && repetitions < kMaxRepetitions) {
      BK_RETURN_IF_ERROR(repository_.BackOff(cancel, repetitions++, outcome.status, outcome.response ? &*outcome.response : nullptr));
    } else {
      return outcome.status;
    }
    location_.clear();
  }
}

Upload::Outcome Upload::Try(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent) {
  if (location_.empty()) {
    std::string url;
    auto answer = Post(cancel, "", url);
    if (!answer.ok()) return {Next::kDone, answer.status(), {}};
    if (answer->status == 201) return {};
    if (answer->status > 299) return {Next::kDone, UnexpectedStatus("POST", url, *answer), {}};
    if (absl::Status begun = Begin(cancel, *answer, url); !begun.ok()) return {Next::kDone, begun, {}};
  }
  on_sent(0);
  return piece_bytes_ == 0 ? Whole(cancel, fd, on_sent) : Pieces(cancel, fd, on_sent);
}

Upload::Outcome Upload::Whole(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent) {
  HttpRequest put = ToLocation("PUT", true);
  put.headers = {{"Content-Type", "application/octet-stream"}};
  put.body_fd = fd;
  put.body_size_bytes = blob_.size;
  put.repeatable = false;
  put.on_sent = on_sent;
  return Judge(put, repository_.Exchange(cancel, repository_.own(), put));
}

Upload::Outcome Upload::Pieces(const CancelToken& cancel, int fd, const std::function<void(int64_t)>& on_sent) {
  int losses = 0;
  for (int64_t offset = 0; offset < blob_.size;) {
    int64_t size = std::min(piece_bytes_, blob_.size - offset);
    HttpRequest patch = ToLocation("PATCH", false);
    patch.headers = {{"Content-Type", "application/octet-stream"}, {"Content-Range", StrCat(offset, "-", offset + size - 1)}};
    patch.body_fd = fd;
    patch.body_offset_bytes = offset;
    patch.body_size_bytes = size;
    patch.repeatable = false;
    patch.on_sent = [&](int64_t sent) { on_sent(offset + sent); };
    auto answer = repository_.Exchange(cancel, repository_.own(), patch);
    Outcome outcome = Judge(patch, answer);
    if (outcome.status.ok()) {
      Follow(*answer, location_);
      offset += size;
      losses = 0;
      continue;
    }
    // The registry knows how much of the piece it has.
    bool asks_less = outcome.response && outcome.response->status == 413;
    if (asks_less || outcome.next == Next::kDone || losses >= kMaxRepetitions) return outcome;
    if (absl::Status paused = repository_.BackOff(cancel, losses++, outcome.status, outcome.response ? &*outcome.response : nullptr); !paused.ok()) return {Next::kDone, paused, {}};
    int64_t received = Received(cancel);
    if (received < 0 || received > blob_.size) return outcome;
    offset = received;
  }
  HttpRequest put = ToLocation("PUT", true);
  return Judge(put, repository_.Exchange(cancel, repository_.own(), put));
}

int64_t Upload::Received(const CancelToken& cancel) {
  HttpRequest get = ToLocation("GET", false);
  auto answer = repository_.Exchange(cancel, repository_.own(), get);
  if (!answer.ok() || answer->status != 204) return -1;
  Follow(*answer, location_);
  std::string range = answer->Header("range");  // "0-99", with or without the unit
  if (range.empty()) return 0;
  size_t dash = range.rfind('-');
  auto last = dash == std::string::npos ? std::nullopt : Number(std::string_view(range).substr(dash + 1));
  // Debian's docker-registry says "0-0" of an upload that is empty.
  return !last ? -1 : *last == 0 ? 0 : *last + 1;
}

}  // namespace bk::registry
