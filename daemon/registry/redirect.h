// Where a redirect may lead, and which credentials go along: an answer of a foreign host must not make the daemon ask its
// own machine, or the metadata service of its cloud, for something (hostile 41).
//
// Thread-safe (pure functions).
#pragma once

#include <string>
#include <string_view>

#include "base/go_url.h"

namespace bk::registry {

inline constexpr int kMaxRedirects = 10;

bool IsRedirect(int status);
// The address that `location` names, seen from `from`. InvalidArgument unless it is http or https; PermissionDenied if its
// host is an address that CheckRedirectAddress refuses.
absl::StatusOr<GoUrl> NextHop(const GoUrl& from, const std::string& location, bool from_loopback);
// Whether a server may name that URL: what NextHop says of a redirect's.
absl::Status CheckTold(const GoUrl& url, bool by_loopback);
// Same scheme, host and port, or the default ports of the same host from http to https.
bool KeepsCredentials(const GoUrl& from, const GoUrl& to);
// `address`: of the host that a redirect leads to. PermissionDenied for link-local addresses and those of cloud metadata
// services, and for the own machine unless the redirect came from there.
absl::Status CheckRedirectAddress(std::string_view address, bool from_loopback);
bool IsLoopbackAddress(std::string_view address);
// "localhost" and its like, or a loopback address.
bool IsLoopbackHost(std::string_view host);
// The URL without user, password and query: what may be shown and logged.
std::string ShownUrl(const std::string& url);

}  // namespace bk::registry
