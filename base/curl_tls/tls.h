// TLS of one request on a libcurl handle: authorities beside the host's own, client certificates.
//
// Of several client certificates the one is shown whose issuer the server asks for, as Go's crypto/tls chooses. Thread-safe.
#pragma once

#include <curl/curl.h>

#include "base/curl_tls/options.h"
#include "base/status.h"

namespace bk {

// Errors name the file that cannot be used.
absl::Status SetTls(CURL* easy, const TlsOptions& tls);

}  // namespace bk
