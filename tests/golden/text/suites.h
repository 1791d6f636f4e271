// The suites of area text, one function a file.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::text {

absl::Status RunErrors(const Json& c, const std::string& dir);
absl::Status RunReference(const Json& c, const std::string& dir);
absl::Status RunPlatform(const Json& c, const std::string& dir);

absl::Status RunFlags(const Json& c, const std::string& dir);
bool IsFlagsCase(const Json& line);
void NoteFlagsFiles(const Json& line);
absl::Status RunFlagParse(const Json& c, const std::string& dir);
absl::Status RunOutput(const Json& c, const std::string& dir);
absl::Status RunEnv(const Json& c, const std::string& dir);
bool IsEnvCase(const Json& line);

absl::Status RunProgress(const Json& c, const std::string& dir);
absl::Status RunFilters(const Json& c, const std::string& dir);
bool IsFiltersCase(const Json& line);
void NoteFilterObjects(const Json& line);

absl::Status RunPattern(const Json& c, const std::string& dir);
bool IsPatternCase(const Json& line);
void NotePatternTree(const Json& line);

absl::Status RunApiErrors(const Json& c, const std::string& dir);
absl::Status RunBuildFail(const Json& c, const std::string& dir);

absl::Status RunGitUrl(const Json& c, const std::string& dir);
absl::Status RunHttpUrl(const Json& c, const std::string& dir);

absl::Status RunUnits(const Json& c, const std::string& dir);

}  // namespace bk::golden::text
