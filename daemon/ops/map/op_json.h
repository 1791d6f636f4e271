// Text of LLB messages as the reference writes it: JSON that cache keys are hashes of (trap 4) and the short form in errors.
//
// JSON: fields in order of their numbers under their names in the contract, empty ones left out, enums as numbers, bytes as
// base64; a user is {"User":{…}} (hand-written in the reference). Thread-safe.
#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace bk::ops {

std::string OpJson(const google::protobuf::Message& message);

// `input:1 selector:"/a" cacheOpt:{ID:"x"}`, enums by name.
std::string OpText(const google::protobuf::Message& message);

}  // namespace bk::ops
