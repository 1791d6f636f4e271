// Runs the golden cases of one area: every *.jsonl below DIR/<area> that a suite of the table names.
//
// usage of an area's program: golden_<area> [DIR]      (default tests/golden, from the repository's root)
// Prints `area/file passed/total pending` a file and the names of what failed. A failing case that falls under a rule of
// pending.txt (beside this program's sources, never DIR's) counts as pending. Exit 0 only if nothing else failed.
#pragma once

#include <functional>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "base/status.h"

namespace bk::golden {

using Json = nlohmann::ordered_json;

struct Suite {
  const char* file;  // "dockerfile/parse", without .jsonl
  // Checks one case against the product. `file_dir` is the directory of the case's file (for helper files beside it).
  absl::Status (*run)(const Json& c, const std::string& file_dir);
  // False for lines that are data rather than cases (null: all lines are cases). Such lines are given to `note` first.
  bool (*is_case)(const Json& line) = nullptr;
  // Called for every line that is not a case, before the cases that follow it.
  void (*note)(const Json& line) = nullptr;
};

int RunArea(int argc, char** argv, const char* area, std::span<const Suite> suites);

// OK if equal; otherwise an error that shows both (long texts: from the first difference on).
absl::Status ExpectText(std::string_view what, std::string_view got, std::string_view want);
absl::Status ExpectJson(std::string_view what, const Json& got, const Json& want);
// `key` or `key_b64` of `object` as bytes; empty when absent.
std::string Bytes(const Json& object, const std::string& key);
// A string, or {"b64": …} standing for one that is not UTF-8.
std::string Text(const Json& value);

}  // namespace bk::golden
