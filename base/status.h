// Errors as values: building, annotating and propagating absl::Status, and the typed details it carries.
//
// Canonical codes only. Messages are lower case, without a full stop, the subject quoted, the fix in parentheses.
// std::string_view is used everywhere in this project; absl::string_view (another type on Debian 12) stays in here.
// Thread-safe (values).
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bk {

namespace internal {
inline void AppendPiece(std::string& out, std::string_view piece) { out.append(piece); }
template <typename T>
  requires(std::is_integral_v<T>)
void AppendPiece(std::string& out, T piece) {
  if constexpr (std::is_same_v<T, char>) {
    out.push_back(piece);
  } else if constexpr (std::is_same_v<T, bool>) {
    out.append(piece ? "true" : "false");
  } else {
    out.append(std::to_string(piece));
  }
}
}  // namespace internal

// Joins text, characters and integers.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (internal::AppendPiece(out, pieces), ...);
  return out;
}

// `text` in double quotes, with Go's %q escapes.
std::string Quote(std::string_view text);

template <typename... Pieces>
absl::Status Error(absl::StatusCode code, const Pieces&... pieces) {
  return absl::Status(code, StrCat(pieces...));
}
template <typename... P>
absl::Status InvalidArgument(const P&... p) { return Error(absl::StatusCode::kInvalidArgument, p...); }
template <typename... P>
absl::Status NotFound(const P&... p) { return Error(absl::StatusCode::kNotFound, p...); }
template <typename... P>
absl::Status AlreadyExists(const P&... p) { return Error(absl::StatusCode::kAlreadyExists, p...); }
template <typename... P>
absl::Status FailedPrecondition(const P&... p) { return Error(absl::StatusCode::kFailedPrecondition, p...); }
template <typename... P>
absl::Status Unimplemented(const P&... p) { return Error(absl::StatusCode::kUnimplemented, p...); }
template <typename... P>
absl::Status Internal(const P&... p) { return Error(absl::StatusCode::kInternal, p...); }
template <typename... P>
absl::Status Unavailable(const P&... p) { return Error(absl::StatusCode::kUnavailable, p...); }
template <typename... P>
absl::Status Cancelled(const P&... p) { return Error(absl::StatusCode::kCancelled, p...); }
template <typename... P>
absl::Status DeadlineExceeded(const P&... p) { return Error(absl::StatusCode::kDeadlineExceeded, p...); }
template <typename... P>
absl::Status PermissionDenied(const P&... p) { return Error(absl::StatusCode::kPermissionDenied, p...); }
template <typename... P>
absl::Status ResourceExhausted(const P&... p) { return Error(absl::StatusCode::kResourceExhausted, p...); }
template <typename... P>
absl::Status DataLoss(const P&... p) { return Error(absl::StatusCode::kDataLoss, p...); }
// The reference answers most build failures with code UNKNOWN; so do we where clients see it.
template <typename... P>
absl::Status Unknown(const P&... p) { return Error(absl::StatusCode::kUnknown, p...); }

// The one place where errno becomes a code. Message: `<what>: <strerror text, Go's wording (lower case)>`.
absl::Status ErrnoError(int error_number, std::string_view what);
// Go's lower-case text of an errno ("no such file or directory").
std::string ErrnoText(int error_number);

// Same code and details, message "<prefix>: <message>". OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

inline std::string Message(const absl::Status& status) { return std::string(status.message()); }

// A typed detail of an error as clients see it (trap 8): `type` is the name between "github.com/moby/buildkit/" and
// "+json" ("errdefs.Vertex", "errdefs.Source", "pb.ExitMessage"…, with whatever prefix the reference uses), `json` the JSON text.
struct ErrorDetail {
  std::string type;
  std::string json;
  bool operator==(const ErrorDetail&) const = default;
};
// Details in order, innermost first. No effect on OK.
void AddDetail(absl::Status& status, ErrorDetail detail);
std::vector<ErrorDetail> Details(const absl::Status& status);
bool HasDetail(const absl::Status& status, std::string_view type);

namespace internal {
inline absl::Status ToStatus(const absl::Status& s) { return s; }
inline absl::Status ToStatus(absl::Status&& s) { return std::move(s); }
template <typename T>
absl::Status ToStatus(const absl::StatusOr<T>& s) { return s.status(); }
}  // namespace internal

}  // namespace bk

#define BK_CONCAT_INNER(a, b) a##b
#define BK_CONCAT(a, b) BK_CONCAT_INNER(a, b)

// Returns the error of `expr` (Status or StatusOr) from the enclosing function.
#define BK_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                              \
    if (auto bk_status_ = ::bk::internal::ToStatus((expr)); !bk_status_.ok()) {     \
      return bk_status_;                                                            \
    }                                                                               \
  } while (false)

// BK_TRY(auto x, Expr()): declares x from a StatusOr, or returns its error.
#define BK_TRY(decl, ...) BK_TRY_IMPL(BK_CONCAT(bk_or_, __LINE__), decl, (__VA_ARGS__))
#define BK_TRY_IMPL(tmp, decl, expr) \
  auto tmp = expr;                   \
  if (!tmp.ok()) {                   \
    return std::move(tmp).status();  \
  }                                  \
  decl = *std::move(tmp)

// BK_ASSIGN(x, Expr()): as BK_TRY for an existing object; one statement, so it may stand below an `if`.
#define BK_ASSIGN(lhs, ...)                                 \
  do {                                                      \
    auto bk_or_ = (__VA_ARGS__);                            \
    if (!bk_or_.ok()) return std::move(bk_or_).status();    \
    lhs = *std::move(bk_or_);                               \
  } while (false)
