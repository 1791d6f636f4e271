// One GET until its body is whole: repeated with back-off, continued where a broken answer ended (RFC 9110, 14).
//
// A part is only added to what an answer of the same validator has begun (If-Range); otherwise the file begins anew.
// Belongs to one thread; blocks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/source/http/gunzip.h"
#include "daemon/source/http/payload.h"

namespace bk::source::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

class Transfer {
 public:
  Transfer(const HttpSourceOptions& options, const HttpIdentifier& id, const cache::FetchContext& context, Headers headers);
  // The answer: 2xx with `payload()` complete, 304 if `if_none_match` holds, or any other status without payload.
  absl::StatusOr<registry::HttpResponse> Run(const CancelToken& cancel, const std::string& if_none_match);
  std::unique_ptr<Payload>& payload() { return payload_; }

 private:
  absl::StatusOr<registry::HttpResponse> Once(const CancelToken& cancel, const std::string& if_none_match);
  absl::Status Begin(const CancelToken& cancel, const registry::HttpResponse& head, bool continued);
  absl::Status Take(std::string_view bytes);
  absl::Status Restart();
  absl::Status Pause(const CancelToken& cancel, int attempt, const absl::StatusOr<registry::HttpResponse>& answer) const;

  const HttpSourceOptions& options_;
  const HttpIdentifier& id_;
  const cache::FetchContext& context_;
  const Headers headers_;
  const std::string shown_;  // the URL without secrets
  solver::VertexProgress::Task task_;
  std::unique_ptr<Payload> payload_;
  std::unique_ptr<Gunzip> gunzip_;
  std::string validator_;  // for If-Range; "": the answer cannot be continued
  std::string encoding_;
  int64_t received_ = 0, total_ = 0;  // bytes as sent; total 0: unknown
};

// "W/" belongs to the comparison, not to the tag.
std::string StrongTag(const std::string& etag);

}  // namespace bk::source::http
