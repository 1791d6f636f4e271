#include "daemon/source/http/transfer.h"

#include <algorithm>
#include <charconv>

#include "base/unicode.h"
#include "daemon/registry/redirect.h"
#include "daemon/source/file_name.h"
#include "daemon/source/http/date.h"

namespace bk::source::http {
namespace {

using registry::HttpRequest;
using registry::HttpResponse;

constexpr int kMaxRepetitions = 3;  // without a byte more than ever before
constexpr int kMaxParts = 100;
constexpr int64_t kMaxPauseMs = 30'000;

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Whether an answer says: these are the bytes from `offset` to the end of `total` (0: of any number).
bool IsRest(const std::string& content_range, int64_t offset, int64_t total) {
  std::string_view text = content_range;
  if (!text.starts_with("bytes ")) return false;
  text.remove_prefix(6);
  size_t dash = text.find('-'), slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return false;
  auto first = ParseNumber(text.substr(0, dash)), last = ParseNumber(text.substr(dash + 1, slash - dash - 1)), size = ParseNumber(text.substr(slash + 1));
  if (!first || !last || *first != offset) return false;
  if (size && *last + 1 != *size) return false;
  return total == 0 || !size || *size == total;
}

// What makes a later part surely one of the same file; a date only if it lies in the past of the answer (RFC 9110, 8.8.2.2).
std::string ValidatorOf(const HttpResponse& head) {
  if (EqualFold(head.Header("accept-ranges"), "none")) return "";
  std::string etag = head.Header("etag"), modified = head.Header("last-modified");
  if (etag.starts_with('"')) return etag;
  auto changed = ParseDate(modified), answered = ParseDate(head.Header("date"));
  return changed && answered && *changed < *answered ? modified : "";
}

}  // namespace

std::string StrongTag(const std::string& etag) { return etag.starts_with("W/") ? etag.substr(2) : etag; }

Transfer::Transfer(const HttpSourceOptions& options, const HttpIdentifier& id, const cache::FetchContext& context, Headers headers)
    : options_(options),
      id_(id),
      context_(context),
      headers_(std::move(headers)),
      shown_(registry::ShownUrl(id.url)),
      task_(context.progress.Start("downloading " + DownloadName(id.url, id.filename, ""), "downloading")) {}

absl::StatusOr<HttpResponse> Transfer::Run(const CancelToken& cancel, const std::string& if_none_match) {
  int64_t most = 0;
  for (int failures = 0, parts = 1;; parts++) {
    auto answer = Once(cancel, if_none_match);
    BK_RETURN_IF_ERROR(cancel.Check());
    bool again = answer.ok() ? registry::IsTransientStatus(answer->status) : absl::IsUnavailable(answer.status());
    failures = received_ > most ? 0 : failures + 1;
    most = std::max(most, received_);
    if (!again || failures > kMaxRepetitions || parts >= kMaxParts) return answer;
    BK_RETURN_IF_ERROR(Pause(cancel, failures, answer));
  }
}

absl::Status Transfer::Pause(const CancelToken& cancel, int attempt, const absl::StatusOr<HttpResponse>& answer) const {
  int64_t pause_ms = options_.backoff_ms << std::max(attempt - 1, 0);
  if (answer.ok()) {
    if (auto seconds = ParseNumber(answer->Header("retry-after")); seconds && *seconds < kMaxPauseMs / 1000) pause_ms = *seconds * 1000;
  }
  pause_ms = std::min(pause_ms, kMaxPauseMs);
  std::string why = answer.ok() ? StrCat(shown_, ": status ", answer->status) : Message(answer.status());
  context_.progress.Log(2, StrCat(why, "; ", received_ > 0 && !validator_.empty() ? StrCat("continuing at byte ", received_) : std::string("trying again"), " in ", pause_ms, " ms\n"));
  return cancel.SleepFor(std::chrono::milliseconds(pause_ms));
}

absl::StatusOr<HttpResponse> Transfer::Once(const CancelToken& cancel, const std::string& if_none_match) {
  if (received_ > 0 && validator_.empty()) BK_RETURN_IF_ERROR(Restart());
  const int64_t offset = received_;
  HttpRequest request;
  request.url = id_.url;
  request.headers = headers_;
  request.headers.emplace_back("Accept-Encoding", "gzip");
  if (offset > 0) {
    request.headers.emplace_back("Range", StrCat("bytes=", offset, "-"));
    request.headers.emplace_back("If-Range", validator_);
  } else if (!if_none_match.empty()) {
    request.headers.emplace_back("If-None-Match", if_none_match);
  }
  request.on_head = [&](const HttpResponse& head) -> absl::Status {
    if (head.status > 299) return absl::OkStatus();
    if (offset == 0 || head.status != 206) return Begin(cancel, head, false);
    if (IsRest(head.Header("content-range"), offset, total_) && head.Header("content-encoding") == encoding_) return Begin(cancel, head, true);
    validator_.clear();
    return Unavailable(shown_, ": server answered with another range: ", Quote(head.Header("content-range")));
  };
  request.sink = [&](std::string_view bytes) { return Take(bytes); };
  BK_TRY(HttpResponse response, options_.client->Do(cancel, request));
  if (offset > 0 && (response.status == 412 || response.status == 416)) {
    validator_.clear();
    return Unavailable(shown_, ": the server does not continue an answer");
  }
  if (response.status > 299) return response;
  if (total_ > 0 && received_ != total_) return Unavailable(shown_, ": unexpected EOF after ", received_, " of ", total_, " bytes");
  if (gunzip_ != nullptr && received_ > 0) BK_RETURN_IF_ERROR(gunzip_->Finish());
  return response;
}

absl::Status Transfer::Begin(const CancelToken& cancel, const HttpResponse& head, bool continued) {
  if (continued) return absl::OkStatus();
  if (payload_ == nullptr) {
    BK_ASSIGN(payload_, Payload::Create(cancel, context_, options_, id_));
  } else {
    BK_RETURN_IF_ERROR(Restart());
  }
  validator_ = ValidatorOf(head);
  encoding_ = head.Header("content-encoding");
  if (EqualFold(encoding_, "gzip")) gunzip_ = std::make_unique<Gunzip>();
  total_ = ParseNumber(head.Header("content-length")).value_or(0);
  return payload_->Expect(total_);
}

absl::Status Transfer::Take(std::string_view bytes) {
  received_ += static_cast<int64_t>(bytes.size());
  task_.Update(received_, total_);
  if (gunzip_ == nullptr) return payload_->Write(bytes);
  return gunzip_->Write(bytes, [this](std::string_view plain) { return payload_->Write(plain); });
}

absl::Status Transfer::Restart() {
  received_ = total_ = 0;
  gunzip_.reset();
  return payload_->Restart();
}

}  // namespace bk::source::http
