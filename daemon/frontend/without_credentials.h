// Texts that stand in progress, history and errors, without the passwords of URLs in them.
#pragma once

#include <string>

namespace bk::frontend {

// `text` with "xxxxx" in place of users and passwords in http(s) URLs.
std::string WithoutCredentials(std::string text);

}  // namespace bk::frontend
