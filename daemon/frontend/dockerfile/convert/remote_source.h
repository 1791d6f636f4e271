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
// `text` with "xxxxx" in place of users and passwords in http(s) URLs: commands and URLs are shown in progress and history.
std::string WithoutCredentials(std::string text);

}  // namespace bk::dockerfile
