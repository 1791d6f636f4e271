// One build while it runs: what its bridges, refs and exporters share. Lives as long as the build's job.
//
// Thread-safe.
#pragma once

#include <set>
#include <string>

#include "base/guarded.h"
#include "daemon/llb/engine.h"

namespace bk::llb {

class Build {
 public:
  Build(const EngineParts& parts, solver::Job& job, std::string session_id, std::set<std::string> entitlements)
      : parts_(parts), job_(job), session_id_(std::move(session_id)), entitlements_(std::move(entitlements)) {}

  const EngineParts& parts() const { return parts_; }
  solver::Job& job() const { return job_; }
  const std::string& session_id() const { return session_id_; }
  const std::set<std::string>& entitlements() const { return entitlements_; }
  // Of the session only: for content that is fetched outside of a vertex.
  cache::FetchContext Fetch() const;
  Platform DefaultPlatform() const;
  // Tells the client once that something was asked for which this daemon does not do: a vertex of its own.
  void Notice(const std::string& text);

 private:
  const EngineParts& parts_;
  solver::Job& job_;
  const std::string session_id_;
  const std::set<std::string> entitlements_;
  Guarded<std::set<std::string>> told_;
};

}  // namespace bk::llb
