// URLs as Go's net/url reads and writes them: source identifiers, build contexts and redirects are judged by its rules and
// its error texts reach clients.
//
// Values; thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk {

struct GoUrl {
  struct UserInfo {
    std::string name;
    std::optional<std::string> password;
    bool operator==(const UserInfo&) const = default;
    std::string str() const;  // escaped
  };
  using Query = std::map<std::string, std::vector<std::string>>;

  std::string scheme, opaque, host, path, raw_path, raw_query, fragment, raw_fragment;
  std::optional<UserInfo> user;
  bool force_query = false;  // "?" without a query
  bool omit_host = false;    // "scheme:/path"

  // InvalidArgument `parse "TEXT": REASON`.
  static absl::StatusOr<GoUrl> Parse(std::string_view text);
  std::string str() const;
  std::string EscapedPath() const;
  std::string hostname() const;  // without port and brackets
  std::string port() const;
  // Malformed pairs are left out.
  Query query() const;
  // `reference` seen from this URL (RFC 3986, 5.2).
  absl::StatusOr<GoUrl> Resolve(std::string_view reference) const;
};

std::string QueryEscape(std::string_view text);
std::string PathEscape(std::string_view text);
// InvalidArgument `invalid URL escape "%zz"`.
absl::StatusOr<std::string> QueryUnescape(std::string_view text);
absl::StatusOr<std::string> PathUnescape(std::string_view text);
// Keys sorted.
std::string EncodeQuery(const GoUrl::Query& query);

// `url` without passwords: both parts of the user become "xxxxx".
std::string RedactCredentials(const std::string& url);

}  // namespace bk
