// The suites of golden/keys, one function a case file.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::keys {

bool IsCacheMapCase(const Json& line);
void NoteCacheMapTree(const Json& line);
bool IsSourceCase(const Json& line);
void NoteSourceFixtures(const Json& line);
absl::Status RunCacheKeys(const Json& c, const std::string& file_dir);
absl::Status RunCacheMap(const Json& c, const std::string& file_dir);
absl::Status RunContentHash(const Json& c, const std::string& file_dir);
absl::Status RunSchedule(const Json& c, const std::string& file_dir);
absl::Status RunSources(const Json& c, const std::string& file_dir);
absl::Status RunVertex(const Json& c, const std::string& file_dir);

}  // namespace bk::golden::keys
