#include "daemon/solver/cache_export.h"

#include <algorithm>

namespace bk::solver {
namespace {

std::string RecordName(const std::string& digest, int output) {
  size_t colon = digest.find(':');
  return RootKeyId(Digest::FromParts(digest.substr(0, colon), digest.substr(colon + 1)), output);
}

bool AnyEmpty(const std::vector<std::vector<CacheExportTarget::Link>>& inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const auto& links) { return links.empty(); });
}

}  // namespace

absl::Status CacheExporter::Export(CacheKey& key) {
  std::vector<Frame> stack;
  stack.push_back({&key, options_.mode, {}, {}});
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (top.entered) {
      Leave(top);
      stack.pop_back();
      continue;
    }
    if (!done_.emplace(top.key, std::vector<Record>()).second) {
      stack.pop_back();
      continue;
    }
    BK_RETURN_IF_ERROR(Enter(top));
    top.entered = true;
    CacheKey* entered = top.key;
    auto mode = top.mode;
    for (auto input = entered->inputs.rbegin(); input != entered->inputs.rend(); ++input) {
      for (auto from = input->rbegin(); from != input->rend(); ++from) stack.push_back({from->key.get(), mode, {}, {}});
    }
  }
  return absl::OkStatus();
}

// Chooses the result that stands for the key. In min mode nothing below a result with layers needs any.
absl::Status CacheExporter::Enter(Frame& frame) {
  if (frame.key->inputs.empty() && !options_.roots) return absl::OkStatus();
  std::vector<CacheRecord> records = source_->RecordsOf(*frame.key);
  std::stable_sort(records.begin(), records.end(), [](const CacheRecord& a, const CacheRecord& b) { return a.result.created_ns > b.result.created_ns; });
  for (const CacheRecord& record : records) {
    auto stored = keys_->storage().Results(record.key_id);
    bool known = std::any_of(stored.begin(), stored.end(), [&](const CacheResult& r) { return r.id == record.result.id; });
    if (!known) continue;
    BK_TRY(std::vector<Descriptor> layers, source_->LayersOf(record, frame.mode == CacheExportOptions::Mode::kRemoteOnly));
    frame.record = record;
    if (layers.empty()) break;
    frame.results.push_back({record.result.created_ns, std::move(layers)});
    if (frame.mode == CacheExportOptions::Mode::kMin) frame.mode = CacheExportOptions::Mode::kRemoteOnly;
    break;
  }
  return absl::OkStatus();
}

void CacheExporter::Leave(const Frame& frame) {
  Links inputs(frame.key->inputs.size());
  for (size_t i = 0; i < inputs.size(); i++) {
    for (const KeyWithSelector& from : frame.key->inputs[i]) {
      for (Record record : done_[from.key.get()]) inputs[i].push_back({record, from.selector});
    }
  }
  if (!options_.ignore_backlinks) AddBacklinks(keys_->IdOf(*frame.key));
  if (AnyEmpty(inputs)) return;
  if (frame.key->inputs.empty() && frame.record) AddTwins(frame);
  auto record = target_->Add(RecordName(frame.key->digest, frame.key->output), inputs, frame.results);
  if (record) done_[frame.key].push_back(*record);
}

// Other root keys of the same result.
void CacheExporter::AddTwins(const Frame& frame) {
  for (const std::string& id : keys_->storage().IdsByResult(frame.record->result.id)) {
    if (id == frame.record->key_id || !keys_->storage().Backlinks(id).empty() || !Digest::Parse(id).ok()) continue;
    target_->Add(id, {}, frame.results);
  }
}

// Ways to the key that earlier builds took. Those below come first; a circle is not followed.
void CacheExporter::AddBacklinks(const std::string& id) {
  struct Visit {
    std::string id;
    bool entered = false;
  };
  std::vector<Visit> stack = {{id}};
  while (!stack.empty()) {
    if (stack.back().entered) {
      std::string ready = std::move(stack.back().id);
      stack.pop_back();
      backlinked_[ready] = AddBacklinked(ready);
      continue;
    }
    if (!backlinked_.emplace(stack.back().id, std::vector<Record>()).second) {
      stack.pop_back();
      continue;
    }
    stack.back().entered = true;
    for (const auto& [from, link] : keys_->storage().Backlinks(std::string(stack.back().id))) stack.push_back({from});
  }
}

std::vector<CacheExporter::Record> CacheExporter::AddBacklinked(const std::string& id) {
  std::vector<Record> records;
  std::map<std::string, Links> by_digest;
  auto backlinks = keys_->storage().Backlinks(id);
  for (const auto& [from, link] : backlinks) {
    if (link.input < 0) continue;
    Links& inputs = by_digest[RecordName(link.digest, link.output)];
    if (inputs.size() <= static_cast<size_t>(link.input)) inputs.resize(static_cast<size_t>(link.input) + 1);
    for (Record record : backlinked_[from]) inputs[static_cast<size_t>(link.input)].push_back({record, link.selector});
  }
  if (backlinks.empty() && Digest::Parse(id).ok()) {
    if (auto record = target_->Add(id, {}, {})) records.push_back(*record);
  }
  for (const auto& [digest, inputs] : by_digest) {
    if (AnyEmpty(inputs)) continue;
    if (auto record = target_->Add(digest, inputs, {})) records.push_back(*record);
  }
  return records;
}

}  // namespace bk::solver
