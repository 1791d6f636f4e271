// Which sources of ADD are remote.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bk::dockerfile {

// git://, ssh://, git@host:path, and http(s) URLs whose path ends in ".git".
bool IsGitSource(std::string_view source);
bool IsHttpSource(std::string_view source);
// What a download is called: the last element of the URL's path.
std::string DownloadName(std::string_view url);

}  // namespace bk::dockerfile
