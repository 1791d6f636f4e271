// Errors as users see them: the lines of the source that are to blame, then one line with the message.
#pragma once

#include <cstdio>
#include <string>

#include "base/status.h"

namespace bk::client {

// Everything that is printed for an error whose message is ready to be shown. Pure.
std::string ErrorReport(const absl::Status& status);
void PrintError(std::FILE* out, const absl::Status& status);
// The snippet of one errdefs.Source detail (JSON); "" if it has no lines. Pure.
std::string SourceSnippet(const std::string& json);

}  // namespace bk::client
