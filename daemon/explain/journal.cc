#include "daemon/explain/journal.h"

#include <set>

#include "base/digest.h"
#include "daemon/explain/compare.h"

namespace bk::explain {
namespace {

std::set<std::string> ContentsOf(const v1::Build& build) {
  std::set<std::string> contents;
  for (const v1::Step& step : build.steps()) {
    for (const v1::Input& input : step.inputs()) {
      if (!input.content().empty()) contents.insert(input.content());
    }
  }
  return contents;
}

}  // namespace

bool Journal::KnowsFiles(const std::string& content) {
  bool known = false;
  db_->Query("SELECT 1 FROM explain_files WHERE content=?", {content}, [&](const meta::Row&) { known = true; }).IgnoreError();
  return known;
}

void Journal::AddFiles(const std::string& content, const v1::FileList& files) {
  db_->Post({{"INSERT OR REPLACE INTO explain_files VALUES(?,?,?)", {content, int64_t{INT64_MAX}, files.SerializeAsString()}}});
}

void Journal::Add(v1::Build build) {
  while (build.ByteSizeLong() > kMaxBuildBytes && build.steps_size() > 0) {  // consumers come last: no input is lost
    int left = build.steps_size() / 2;
    build.set_dropped_steps(build.dropped_steps() + build.steps_size() - left);
    build.mutable_steps()->DeleteSubrange(left, build.steps_size() - left);
  }
  std::vector<meta::Statement> statements = {{"INSERT OR REPLACE INTO explain_builds VALUES(?,?,?)", {build.ref(), build.completed_ns(), build.SerializeAsString()}}};
  for (const std::string& content : ContentsOf(build)) statements.push_back({"UPDATE explain_files SET used=? WHERE content=?", {build.completed_ns(), content}});
  statements.push_back({"DELETE FROM explain_builds WHERE completed<? OR ref NOT IN (SELECT ref FROM explain_builds ORDER BY completed DESC LIMIT ?)", {build.completed_ns() - kMaxAgeNs, kMaxBuilds}});
  statements.push_back({"DELETE FROM explain_files WHERE used<(SELECT min(completed) FROM explain_builds)", {}});
  statements.push_back({"DELETE FROM explain_removed WHERE id IN (SELECT id FROM explain_removed ORDER BY removed DESC LIMIT -1 OFFSET ?)", {kMaxRemovals}});
  db_->Post(std::move(statements));
}

void Journal::Forget(const std::string& ref) { db_->Post({{"DELETE FROM explain_builds WHERE ref=?", {ref}}}); }

absl::StatusOr<v1::ExplainResponse> Journal::Explain(const std::string& ref, int64_t utc_offset_seconds) {
  BK_RETURN_IF_ERROR(db_->Write({}));  // after what is queued
  std::optional<v1::Build> wanted;
  Known known;
  BK_RETURN_IF_ERROR(db_->Query("SELECT bytes FROM explain_builds ORDER BY completed DESC", {}, [&](const meta::Row& row) {
    v1::Build build;
    if (!build.ParseFromString(row.Text(0))) return;
    if (wanted) {
      known.earlier.push_back(std::move(build));
    } else if (ref.empty() || build.ref() == ref) {
      wanted = std::move(build);
    }
  }));
  if (!wanted) return ref.empty() ? NotFound("no build is known yet: nothing to explain") : NotFound("build ", Quote(ref), " is not known: it runs still, or it was long ago (without a ref the newest one is explained)");
  known.files = [&](const std::string& content) -> std::optional<v1::FileList> {
    std::optional<v1::FileList> files;
    db_->Query("SELECT bytes FROM explain_files WHERE content=?", {content}, [&](const meta::Row& row) {
      v1::FileList list;
      if (list.ParseFromString(row.Text(0))) files = std::move(list);
    }).IgnoreError();
    return files;
  };
  known.removed_ns = [&](const std::string& id) {
    int64_t removed_ns = 0;
    db_->Query("SELECT removed FROM explain_removed WHERE id=?", {id}, [&](const meta::Row& row) { removed_ns = row.Int(0); }).IgnoreError();
    // A record that was removed after this build began did not make it run.
    return removed_ns < wanted->completed_ns() ? removed_ns : 0;
  };
  known.utc_offset_seconds = utc_offset_seconds;
  return bk::explain::Explain(*wanted, known);
}

}  // namespace bk::explain
