#include "daemon/llb/step_record.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/digest.h"
#include "daemon/explain/compare.h"
#include "daemon/explain/identity.h"
#include "daemon/explain/parts.h"
#include "daemon/ops/ops.h"

namespace bk::llb {
namespace {

constexpr std::string_view kBuildArgument = "build-arg:";
constexpr size_t kMaxName = 512, kMaxResults = 16;

using Ops = std::unordered_map<std::string, std::shared_ptr<const pb::Op>>;
// Steps with an op of this build, inputs first. Iterative: chains are long.
std::vector<const solver::Step*> Ordered(const std::vector<solver::Step>& steps, const Ops& ops) {
  std::unordered_map<std::string_view, const solver::Step*> open;
  for (const solver::Step& step : steps) {
    const std::string& digest = step.vertex->digest.str();
    if (ops.contains(digest)) open.emplace(digest, &step);
  }
  std::vector<const solver::Step*> out;
  std::unordered_set<const solver::Step*> entered;
  std::vector<std::pair<const solver::Step*, bool>> stack;
  auto enter = [&](const solver::Vertex& vertex) {
    if (auto it = open.find(vertex.digest.str()); it != open.end()) stack.emplace_back(it->second, false);
  };
  for (const solver::Step& root : steps) {
    enter(*root.vertex);
    while (!stack.empty()) {
      auto [step, done] = stack.back();
      stack.pop_back();
      if (done) {
        out.push_back(step);
        continue;
      }
      if (!entered.insert(step).second) continue;
      stack.emplace_back(step, true);
      for (const solver::Edge& input : step->vertex->inputs) enter(*input.vertex);
    }
  }
  return out;
}

explain::v1::Step::Outcome OutcomeOf(const solver::StepNotes& notes) {
  if (notes.ran) return notes.failed ? explain::v1::Step::FAILED : explain::v1::Step::RAN;
  return notes.loaded ? explain::v1::Step::CACHED : explain::v1::Step::UNUSED;
}

explain::v1::FileList ListFiles(ops::OpFactory& factory, const pb::Op& op, size_t input, const solver::ResultPtr& result) {
  explain::v1::FileList list;
  size_t bytes = 0;
  factory.VisitFiles(op, input, result, [&](const std::string& path, const std::string& digest) {
    bytes += path.size() + explain::kDigestBytes;
    if (static_cast<size_t>(list.paths_size()) >= explain::kMaxFiles || bytes > explain::kMaxFileListBytes) {
      list.set_cut(true);
      return false;
    }
    list.add_paths(path.size() > 1 ? path.substr(1) : path);
    std::string_view hex = digest;
    if (size_t colon = hex.find(':'); colon != std::string_view::npos) hex.remove_prefix(colon + 1);
    std::string piece(hex.substr(0, explain::kDigestBytes));
    piece.resize(explain::kDigestBytes);
    list.mutable_digests()->append(piece);
    return true;
  });
  return list;
}

void Describe(const solver::Step& step, const pb::Op& op, std::map<std::string, int>& names, explain::v1::Step& out) {
  const solver::StepNotes& notes = step.notes;
  out.set_kind(explain::KindOf(op));
  // Steps with one name are told apart by their number.
  std::string stable = StrCat(out.kind(), "\n", explain::StableName(step.vertex->name));
  out.set_identity(std::string(DigestOf(StrCat(stable, "\n", names[stable]++)).hex().substr(0, 24)));
  out.set_position(explain::PositionOf(step.vertex->name).substr(0, kMaxName));
  out.set_name(step.vertex->name.substr(0, kMaxName));
  out.set_vertex(step.vertex->digest.str());
  out.set_outcome(OutcomeOf(notes));
  out.set_ignore_cache(step.vertex->ignore_cache);
  out.set_started_ns(notes.started_ns);
  if (!notes.key.empty() && out.kind() != "local") out.set_key(std::string(notes.key.hex()));
  explain::AddParts(op, out);
  for (size_t i = 0; i < std::min(notes.pins.size(), kMaxResults); i++) out.add_pins(notes.pins[i].substr(0, kMaxName));
  for (size_t i = 0; i < std::min(notes.result_ids.size(), kMaxResults); i++) out.add_results(notes.result_ids[i]);
}

}  // namespace

void StepRecord::Loaded(const LoadedDefinition& definition) {
  ops_.With([&](auto& ops) {
    for (const auto& [vertex, loaded] : definition.ops) ops.emplace(vertex, loaded.op);
  });
}

void StepRecord::Finish(const std::string& ref, int64_t started_ns, const std::map<std::string, std::string>& frontend_attrs, const std::vector<solver::Step>& steps, ops::OpFactory& factory,
                        explain::Journal& journal) {
  Ops ops = ops_.With([](auto& known) { return std::exchange(known, {}); });
  std::vector<const solver::Step*> ordered = Ordered(steps, ops);
  if (ordered.empty()) return;
  explain::v1::Build build;
  build.set_ref(ref);
  build.set_started_ns(started_ns);
  for (const auto& [key, value] : frontend_attrs) {
    if (key.starts_with(kBuildArgument)) build.add_build_arguments(key.substr(kBuildArgument.size()));
  }
  if (ordered.size() > explain::kMaxSteps) {
    build.set_dropped_steps(static_cast<int64_t>(ordered.size() - explain::kMaxSteps));
    ordered.resize(explain::kMaxSteps);
  }
  std::unordered_map<std::string, int64_t> index;
  std::map<std::string, int> names;
  std::set<std::string> listed;
  for (const solver::Step* step : ordered) {
    const pb::Op& op = *ops.at(step->vertex->digest.str());
    explain::v1::Step& out = *build.add_steps();
    Describe(*step, op, names, out);
    index[step->vertex->digest.str()] = build.steps_size() - 1;
    for (size_t i = 0; i < step->vertex->inputs.size(); i++) {
      explain::v1::Input& input = *out.add_inputs();
      auto maker = index.find(step->vertex->inputs[i].vertex->digest.str());
      input.set_step(maker == index.end() ? -1 : maker->second);
      auto content = step->notes.contents.find(i);
      if (content == step->notes.contents.end()) continue;
      input.set_content(std::string(content->second.digest.hex()));
      if (listed.insert(input.content()).second && !journal.KnowsFiles(input.content())) journal.AddFiles(input.content(), ListFiles(factory, op, i, content->second.result));
    }
  }
  build.set_completed_ns(solver::NowNs());
  journal.Add(std::move(build));
}

}  // namespace bk::llb
