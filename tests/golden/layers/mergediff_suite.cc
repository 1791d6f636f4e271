// layers/mergediff: refs made of refs, their trees and their layers.
#include "daemon/source/image_pull.h"
#include "tests/golden/layers/cache_store.h"
#include "tests/golden/layers/suites.h"

namespace bk::golden::layers {
namespace {

using cache::ImmutablePtr;
using Refs = std::map<std::string, ImmutablePtr>;

absl::StatusOr<ImmutablePtr> MakeRef(TestStore& test, const Json& ref, const Refs& refs) {
  auto get = [&](const Json& id) { return id == "" ? nullptr : refs.at(id.get<std::string>()); };
  cache::CacheManager& manager = test.store->manager();
  std::string kind = ref["kind"];
  if (kind == "layer") return test.Layer(get(ref["parent"]), ref["ops"]);
  if (kind == "diff") return manager.Diff(CancelToken::Never(), get(ref["lower"]), get(ref["upper"]), {});
  std::vector<ImmutablePtr> inputs;
  for (const Json& input : ref["inputs"]) inputs.push_back(get(input));
  return manager.Merge(CancelToken::Never(), inputs, {});
}

absl::StatusOr<Digest> OwnDiffId(const ImmutablePtr& ref) {
  BK_TRY(std::vector<cache::Layer> layers, ref->Layers(CancelToken::Never(), {}, {}, true));
  return layers.back().diff_id;
}

absl::Status ExpectLayers(TestStore& test, const Json& refs_text, const Refs& refs, const std::vector<cache::Layer>& layers, const Json& want) {
  if (layers.size() != want.size()) return Unknown("got ", layers.size(), " layers, want ", want.size());
  for (size_t i = 0; i < layers.size(); i++) {
    std::string what = StrCat("layer ", i);
    BK_RETURN_IF_ERROR(ExpectText(what + " diff id", layers[i].diff_id.str(), want[i]["diff_id"].get<std::string>()));
    BK_TRY(std::string tar, test.Plain(layers[i].descriptor.digest));
    BK_RETURN_IF_ERROR(ExpectText(what + " bytes", DigestOf(tar).str(), layers[i].diff_id.str()));
    std::string from = "new";
    for (const Json& ref : refs_text) {
      if (ref["kind"] != "layer") continue;
      BK_TRY(Digest own, OwnDiffId(refs.at(ref["id"].get<std::string>())));
      if (own == layers[i].diff_id) {
        from = ref["id"];
        break;
      }
    }
    BK_RETURN_IF_ERROR(ExpectText(what + " from", from, want[i]["from"].get<std::string>()));
  }
  return absl::OkStatus();
}

absl::Status RunOn(const std::string& snapshotter, const Json& c, const Json& want) {
  BK_TRY(TestStore test, TestStore::Make(snapshotter));
  Refs refs;
  ImmutablePtr result;
  for (const Json& ref : c["refs"]) {
    BK_ASSIGN(result, MakeRef(test, ref, refs));
    refs[ref["id"]] = result;
  }
  bool wants_none = want.value("nil_ref", false);
  if (wants_none != (result == nullptr)) return Unknown(snapshotter, wants_none ? ": a ref, want none" : ": no ref");
  if (wants_none) return absl::OkStatus();
  BK_TRY(std::vector<cache::Layer> layers, result->Layers(CancelToken::Never(), {}, {}, true));
  BK_RETURN_IF_ERROR(ExpectLayers(test, c["refs"], refs, layers, want["layers"]));
  std::vector<Digest> diff_ids;
  for (const cache::Layer& layer : layers) diff_ids.push_back(layer.diff_id);
  BK_RETURN_IF_ERROR(ExpectText("chain id", source::ChainId(diff_ids).str(), want["chain_id"].get<std::string>()));
  BK_TRY(auto active, result->Mount(CancelToken::Never(), {}, true));
  BK_TRY(os::TempMount mount, os::TempMount::Make(active->mounts(), test.dir.path()));
  return ExpectTree(snapshotter, mount.path(), want["tree"]);
}

}  // namespace

absl::Status RunMergeDiff(const Json& c, const std::string&) {
  const Json& overlay = c["expect"]["overlayfs"];
  BK_RETURN_IF_ERROR(RunOn("overlayfs", c, overlay));
  return RunOn("native", c, c["expect"].contains("native") ? c["expect"]["native"] : overlay);
}

}  // namespace bk::golden::layers
