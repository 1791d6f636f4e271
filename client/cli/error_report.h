// Errors as users see them: the lines of the source that are to blame, then one line with the message.
#pragma once

#include <cstdio>
#include <string>

#include "base/status.h"

namespace bk::client {

// Everything that is printed for an error whose message is ready to be shown. Pure.
std::string ErrorReport(const absl::Status& status);
// What to do about an error that everybody meets once; "" if there is nothing to say. Pure.
std::string HintFor(const absl::Status& status);
// A hint comes along on terminals only: programs compare what the reference prints.
void PrintError(std::FILE* out, const absl::Status& status);
// The snippet of one errdefs.Source detail (JSON); "" if it has no lines. Pure.
std::string SourceSnippet(const std::string& json);

}  // namespace bk::client
