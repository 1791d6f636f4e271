// local://: a directory of the client, kept between builds and brought up to date (SRC-022 … SRC-035, trap 15).
//
// The directory lives in a retained mutable ref found by "name:hint:shared key"; a failed transfer destroys it. Thread-safe.
#pragma once

#include "daemon/source/source.h"

namespace bk::source {

struct LocalSourceOptions {
  session::Manager* sessions = nullptr;
  cache::CacheManager* cache = nullptr;
};

std::unique_ptr<Source> MakeLocalSource(const LocalSourceOptions& options);

}  // namespace bk::source
