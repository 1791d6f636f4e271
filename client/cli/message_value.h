// Messages of the contract as values of templates: the fields and methods of Go's generated types. Pure.
#pragma once

#include <string>

#include <google/protobuf/message.h>

#include "base/go_template/value.h"

namespace bk::client {

// A pointer to the message's struct; it keeps a copy of the message.
go_template::Value MessageValue(const google::protobuf::Message& message);
// As Go's String prints a message: `key:value` with spaces between.
std::string MessageText(const google::protobuf::Message& message);

}  // namespace bk::client
