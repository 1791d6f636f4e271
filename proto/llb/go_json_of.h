// Messages of the contract as Go's encoding/json writes them: the form of typed error details (trap 8).
//
// Thread-safe (function).
#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace bk::llb {

// Names of the contract, defaults left out, bytes as base64.
std::string GoJsonOf(const google::protobuf::Message& message);

}  // namespace bk::llb
