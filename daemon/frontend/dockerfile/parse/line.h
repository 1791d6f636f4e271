// One joined line of a Dockerfile as a node. How the arguments are cut depends on the instruction: see the table in line.cc.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "daemon/frontend/dockerfile/parse/parser.h"

namespace bk::dockerfile {

// Without lines, comments and heredocs. InvalidArgument for arguments that cannot be cut.
absl::StatusOr<Node> ParseLine(std::string_view line, Rune escape);
// Heredocs that the line announces, without content.
absl::StatusOr<std::vector<Heredoc>> HeredocsOfLine(std::string_view line);

}  // namespace bk::dockerfile
