#include "base/status.h"

#include <cctype>
#include <cstring>

#include "absl/strings/cord.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr char kDetailsUrl[] = "bk/details";

void AppendSized(std::string& out, std::string_view bytes) {
  out += std::to_string(bytes.size());
  out += ':';
  out += bytes;
}

std::string_view TakeSized(std::string_view& rest) {
  size_t colon = rest.find(':');
  size_t size = std::stoul(std::string(rest.substr(0, colon)));
  std::string_view piece = rest.substr(colon + 1, size);
  rest.remove_prefix(colon + 1 + size);
  return piece;
}

absl::StatusCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case 0: return absl::StatusCode::kOk;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH: return absl::StatusCode::kNotFound;
    case EEXIST: return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS: return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return absl::StatusCode::kResourceExhausted;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case ENOTDIR:
    case EISDIR: return absl::StatusCode::kInvalidArgument;
    case EBUSY:
    case ETXTBSY:
    case ENOTEMPTY: return absl::StatusCode::kFailedPrecondition;
    case ENOSYS:
    case EOPNOTSUPP: return absl::StatusCode::kUnimplemented;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH: return absl::StatusCode::kUnavailable;
    case ETIMEDOUT: return absl::StatusCode::kDeadlineExceeded;
    case ECANCELED: return absl::StatusCode::kCancelled;
    default: return absl::StatusCode::kUnknown;
  }
}

}  // namespace

std::string Quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    DecodedRune decoded = DecodeRune(text);
    auto c = static_cast<unsigned char>(text[0]);
    std::string_view bytes = text.substr(0, decoded.width);
    text.remove_prefix(decoded.width);
    if (decoded.width > 1) {
      if (IsPrint(decoded.rune)) {
        out += bytes;
      } else {
        int digits = decoded.rune > 0xffff ? 8 : 4;
        out += digits == 8 ? "\\U" : "\\u";
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[decoded.rune >> shift & 15];
      }
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      default:
        if (c < 0x20 || c >= 0x7f) {
          out += "\\x";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
  return out;
}

std::string ErrnoText(int error_number) {
  char buffer[256];
  // GNU strerror_r: may return a static text instead of filling the buffer.
  std::string text = strerror_r(error_number, buffer, sizeof buffer);
  // Go prints the same texts with a small first letter ("no such file or directory").
  if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) &&
      !std::isupper(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

absl::Status ErrnoError(int error_number, std::string_view what) {
  return Error(CodeOfErrno(error_number), what, ": ", ErrnoText(error_number));
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status result(status.code(), StrCat(prefix, ": ", std::string(status.message())));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) { result.SetPayload(url, value); });
  return result;
}

void AddDetail(absl::Status& status, ErrorDetail detail) {
  if (status.ok()) return;
  std::string encoded;
  if (auto old = status.GetPayload(kDetailsUrl)) encoded = std::string(*old);
  AppendSized(encoded, detail.type);
  AppendSized(encoded, detail.json);
  status.SetPayload(kDetailsUrl, absl::Cord(encoded));
}

std::vector<ErrorDetail> Details(const absl::Status& status) {
  std::vector<ErrorDetail> details;
  auto payload = status.GetPayload(kDetailsUrl);
  if (!payload) return details;
  std::string encoded(*payload);
  std::string_view rest = encoded;
  while (!rest.empty()) {
    ErrorDetail detail;
    detail.type = TakeSized(rest);
    detail.json = TakeSized(rest);
    details.push_back(std::move(detail));
  }
  return details;
}

bool HasDetail(const absl::Status& status, std::string_view type) {
  for (const ErrorDetail& detail : Details(status)) {
    if (detail.type == type) return true;
  }
  return false;
}

}  // namespace bk
