// Messages of the contract as Go's protojson writes them: names in lowerCamelCase, 64-bit numbers as texts, enums by name.
//
// Beside go_json_of.h, which has the form of encoding/json. Thread-safe (function).
#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace bk::llb {

// In the order of declaration, maps by key, defaults left out, bytes as base64.
std::string ProtoJsonOf(const google::protobuf::Message& message);

}  // namespace bk::llb
