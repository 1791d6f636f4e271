// Findings of a build's checks as warnings of the step that loads the Dockerfile.
#pragma once

#include "daemon/frontend/bridge.h"
#include "daemon/frontend/dockerfile/lint/linter.h"
#include "proto/llb/state.h"

namespace bk::dockerfile {

class WarningSink final : public LintSink {
 public:
  // Both outlive this.
  WarningSink(frontend::Bridge& bridge, const llb::SourceMap& source) : bridge_(bridge), source_(source) {}
  void Found(const Finding& finding) override;

 private:
  // What all warnings have; most builds have none.
  void Begin();

  frontend::Bridge& bridge_;
  const llb::SourceMap& source_;
  bool begun_ = false;
  std::string source_info_;
  Digest vertex_;
  size_t sent_bytes_ = 0;  // of source_info_
};

}  // namespace bk::dockerfile
