// Writes down what a build was made of and what became of its steps, so that later builds can be explained (daemon/explain).
//
// Thread-safe. Costs a build nothing but a list until it ends; Finish is to be called once, while the job is there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/guarded.h"
#include "daemon/explain/journal.h"
#include "daemon/llb/load/vertex_load.h"
#include "daemon/solver/solver.h"

namespace bk::llb {

class StepRecord {
 public:
  void Loaded(const LoadedDefinition& definition);
  void Finish(const std::string& ref, int64_t started_ns, const std::map<std::string, std::string>& frontend_attrs, const std::vector<solver::Step>& steps, ops::OpFactory& factory,
              explain::Journal& journal);

 private:
  Guarded<std::unordered_map<std::string, std::shared_ptr<const pb::Op>>> ops_;  // by vertex digest
};

}  // namespace bk::llb
