#include "daemon/ops/build_error.h"

namespace bk::ops {

absl::Status BuildError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInternal: break;
    default: return status;
  }
  absl::Status out = Unknown(Message(status));
  for (ErrorDetail& detail : Details(status)) AddDetail(out, std::move(detail));
  return out;
}

}  // namespace bk::ops
