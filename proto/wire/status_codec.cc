#include "proto/wire/status_codec.h"

namespace bk::wire {
namespace {

constexpr std::string_view kUrlPrefix = "github.com/moby/buildkit/";
constexpr std::string_view kUrlSuffix = "+json";
constexpr const char* kCodeNames[] = {"OK",           "Canceled",          "Unknown",  "InvalidArgument", "DeadlineExceeded", "NotFound",
                                      "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange",
                                      "Unimplemented", "Internal",         "Unavailable", "DataLoss", "Unauthenticated"};

}  // namespace

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(Message(status));
  // Outermost first on the wire; a Status keeps them innermost first.
  std::vector<ErrorDetail> details = Details(status);
  for (auto it = details.rbegin(); it != details.rend(); ++it) {
    auto* any = out.add_details();
    any->set_type_url(StrCat(kUrlPrefix, it->type, kUrlSuffix));
    any->set_value(it->json);
  }
  return out;
}

absl::Status FromProto(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  bool known = status.code() > 0 && status.code() < static_cast<int>(std::size(kCodeNames));
  absl::Status out = Error(known ? static_cast<absl::StatusCode>(status.code()) : absl::StatusCode::kUnknown, status.message());
  for (int i = status.details_size() - 1; i >= 0; i--) {
    std::string_view url = status.details(i).type_url();
    if (!url.starts_with(kUrlPrefix) || !url.ends_with(kUrlSuffix)) continue;
    url.remove_prefix(kUrlPrefix.size());
    url.remove_suffix(kUrlSuffix.size());
    AddDetail(out, {std::string(url), status.details(i).value()});
  }
  return out;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string encoded;
  if (!Details(status).empty()) encoded = ToProto(status).SerializeAsString();
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Message(status), encoded);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status decoded;
  if (!status.error_details().empty() && decoded.ParseFromString(status.error_details()) && decoded.code() != 0) return FromProto(decoded);
  return Error(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

std::string CodeName(absl::StatusCode code) {
  auto index = static_cast<size_t>(code);
  return index < std::size(kCodeNames) ? kCodeNames[index] : StrCat("Code(", index, ")");
}

std::string RpcErrorText(const absl::Status& status) {
  return StrCat("rpc error: code = ", CodeName(status.code()), " desc = ", Message(status));
}

}  // namespace bk::wire
