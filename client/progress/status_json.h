// A status message as one line of JSON, the form of --progress=rawjson and of --trace files. Pure.
#pragma once

#include <string>

#include "control/control.pb.h"

namespace bk::client {

std::string StatusJson(const moby::buildkit::v1::StatusResponse& status);  // without a newline

}  // namespace bk::client
