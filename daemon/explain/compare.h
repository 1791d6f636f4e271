// Why the steps of a build ran: the build compared with earlier ones. Pure; docs/buildctl.md says it to users.
//
// A step is compared with the newest earlier build that has the same one (by name and kind) and ended well there, first among
// builds that have half of their steps in common with it. What differs of the step's own comes first, then what differs of
// what it builds on, then what became of the record that would have served.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "explain/explain.pb.h"
#include "explain/record.pb.h"

namespace bk::explain {

struct Known {
  std::vector<v1::Build> earlier;  // newest first
  std::function<std::optional<v1::FileList>(const std::string& content)> files;
  std::function<int64_t(const std::string& result)> removed_ns;  // 0: it is there, or was never
  int64_t utc_offset_seconds = 0;
};

v1::ExplainResponse Explain(const v1::Build& build, const Known& known);

// Up to `most` files that differ, sorted by path; `more` counts the others.
std::vector<v1::FileChange> CompareFiles(const v1::FileList& before, const v1::FileList& after, size_t most, int64_t& more);
// "COPY . . ran: 2 files changed (a, b)".
std::string Sentence(const std::string& instruction, const google::protobuf::RepeatedPtrField<v1::Cause>& causes, int64_t utc_offset_seconds);

inline constexpr size_t kDigestBytes = 8;  // of each file in a list

}  // namespace bk::explain
