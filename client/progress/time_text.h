// Times of the daemon as text, UTC, with as many decimals as needed. Pure.
#pragma once

#include <string>

#include "google/protobuf/timestamp.pb.h"

namespace bk::client {

std::string TimeText(const google::protobuf::Timestamp& time);      // "2026-01-02 03:04:05.1 +0000 UTC"
std::string JsonTimeText(const google::protobuf::Timestamp& time);  // "2026-01-02T03:04:05.1Z"

}  // namespace bk::client
