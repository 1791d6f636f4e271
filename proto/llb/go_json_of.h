// Messages of the contract as Go writes them in JSON. Thread-safe (functions).
#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace bk::llb {

// As encoding/json does, the form of typed error details (trap 8): names of the contract, defaults left out, bytes as base64.
std::string GoJsonOf(const google::protobuf::Message& message);
// As protojson does: names in lowerCamelCase in the order of declaration, maps by key, 64-bit numbers as texts, enums by name.
std::string ProtoJsonOf(const google::protobuf::Message& message);

}  // namespace bk::llb
