// Questions about a Dockerfile, asked in place of a build (`requestid`): what it can be given, its targets, its checks.
//
// Answers are the metadata of the result: result.json, mostly result.txt, version. Names, versions, JSON and texts:
// reference, frontend/subrequests. One file a question, one row each in subrequest.cc. Thread-safe.
#pragma once

#include <map>
#include <string>

#include "base/cancel.h"
#include "daemon/frontend/dockerfile/convert/converter.h"

namespace bk::dockerfile {

using SubrequestAnswer = std::map<std::string, std::string>;

// Unknown with an errdefs.Subrequest detail for an id that is none. `input` is that of a build for the builder's own platform.
absl::StatusOr<SubrequestAnswer> AnswerSubrequest(const std::string& id, const ConvertInput& input);

}  // namespace bk::dockerfile
