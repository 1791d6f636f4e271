// Merge and diff of refs: chains of layers put together anew (golden layers/mergediff).
#include <algorithm>

#include "daemon/cache/manager.h"
#include "daemon/cache/refs.h"

namespace bk::cache {

absl::StatusOr<ImmutablePtr> Manager::Merge(const CancelToken& cancel, const std::vector<ImmutablePtr>& inputs, const NewOptions& options) {
  ImmutablePtr merged;
  for (const ImmutablePtr& input : inputs) {
    if (input == nullptr) continue;
    if (merged == nullptr) {
      merged = input;
      continue;
    }
    std::vector<RecordPtr> chain = Chain(RecordOf(input));
    BK_TRY(std::vector<Layer> layers, MakeLayers(cancel, {}, chain, {}, true));
    for (const Layer& layer : layers) {
      NewOptions copy = options;
      copy.description = layer.description;
      copy.merged = true;
      BK_ASSIGN(merged, GetByBlob(cancel, layer.descriptor, layer.diff_id, merged, layer.fetch, copy));
    }
  }
  return merged;
}

absl::StatusOr<ImmutablePtr> Manager::Diff(const CancelToken& cancel, const ImmutablePtr& lower, const ImmutablePtr& upper, const NewOptions& options) {
  RecordPtr below = RecordOf(lower), above = RecordOf(upper);
  std::vector<RecordPtr> chain = Chain(above);
  auto base = below == nullptr ? chain.begin() : std::find(chain.begin(), chain.end(), below);
  if (below == nullptr || base != chain.end()) {
    // Of an ancestor: the layers between, as they are.
    std::span<const RecordPtr> between(below == nullptr ? base : base + 1, chain.end());
    if (below == nullptr) return upper;
    BK_TRY(std::vector<Layer> layers, MakeLayers(cancel, {}, between, {}, true));
    ImmutablePtr result;
    for (const Layer& layer : layers) BK_ASSIGN(result, GetByBlob(cancel, layer.descriptor, layer.diff_id, result, layer.fetch, options));
    return result;
  }
  if (above != nullptr) BK_RETURN_IF_ERROR(Extract(cancel, {}, above));
  BK_RETURN_IF_ERROR(Extract(cancel, {}, below));
  TreePair trees{SnapshotChain(below), SnapshotChain(above), false};
  Digest diff_id;
  Digest claimed;
  auto hold = [&](Table& table, const Descriptor& blob) {
    claimed = blob.digest;
    table.blobs[claimed]++;
  };
  BK_TRY(Descriptor blob, WriteTree(cancel, trees, {}, diff_id, hold));
  auto made = GetByBlob(cancel, blob, diff_id, nullptr, nullptr, options);
  table_.With([&](Table& table) {
    if (--table.blobs[claimed] == 0) table.blobs.erase(claimed);
  });
  return made;
}

}  // namespace bk::cache
