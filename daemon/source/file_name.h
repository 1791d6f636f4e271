// Names of downloaded files: from an attribute, a Content-Disposition header or a URL, always one safe path element.
//
// Thread-safe (pure functions). Golden: text/httpurl.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bk::source {

// Last path element; "download" when that is no name for a file.
std::string SafeFileName(std::string_view name);
// `given` wins, then the header (empty: none), then the URL.
std::string DownloadName(const std::string& url, const std::string& given, const std::string& content_disposition);
// Parameters of a MIME header value ("attachment; filename=x"), keys in lower case, RFC 2231 forms decoded; nothing when
// it is malformed (Go's mime.ParseMediaType).
std::optional<std::map<std::string, std::string>> MediaTypeParameters(std::string_view header);
// "user-agent" → "User-Agent"; names that are no tokens stay as they are.
std::string CanonicalHeaderName(std::string name);

}  // namespace bk::source
