#include <atomic>

#include "tests/unit/daemon/cache/store_fixture.h"

using namespace bk;
using namespace bk::cache;

namespace {

// A layer made in one store, offered to another one by a fetcher.
struct Origin {
  StoreFixture from;
  Layer layer;
  std::atomic<int> fetched{0};

  Origin() {
    ImmutablePtr ref = from.Layer(nullptr, "a", "from afar");
    auto layers = ref->Layers(from.cancel, {}, {}, true);
    REQUIRE(layers.ok());
    layer = (*layers)[0];
  }
  BlobFetcher Fetcher(StoreFixture& to) {
    return [&](const CancelToken&, const FetchContext&, const Descriptor& blob) {
      fetched++;
      return to.store->content().Put(*from.store->content().Read(blob.digest, 1 << 20), blob.digest);
    };
  }
};

}  // namespace

TEST_CASE("lazy: nothing is fetched before a mount, and once only") {
  Origin origin;
  StoreFixture f;
  auto ref = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, origin.Fetcher(f), {});
  REQUIRE(ref.ok());
  CHECK((*ref)->IsLazy());
  CHECK((*ref)->SizeBytes(f.cancel).value_or(-1) == 0);
  CHECK(origin.fetched == 0);
  CHECK((*(*ref)->Layers(f.cancel, {}, {}, true))[0].fetch != nullptr);
  CHECK(f.Read(*ref, "a") == "from afar");
  CHECK(f.Read(*ref, "a") == "from afar");
  CHECK(origin.fetched == 1);
  CHECK_FALSE((*ref)->IsLazy());
  CHECK((*ref)->SizeBytes(f.cancel).value_or(0) > 0);
}

TEST_CASE("lazy: the same blob on the same parent is the same record") {  // CAC-038, SNP-022
  Origin origin;
  StoreFixture f;
  auto first = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, origin.Fetcher(f), {});
  auto second = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, origin.Fetcher(f), {});
  CHECK((*first)->Id() == (*second)->Id());
  auto on_top = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, *first, origin.Fetcher(f), {});
  CHECK((*on_top)->Id() != (*first)->Id());
}

TEST_CASE("lazy: a fetcher that fails gives its error and leaves the record lazy") {
  Origin origin;
  StoreFixture f;
  BlobFetcher broken = [](const CancelToken&, const FetchContext&, const Descriptor&) { return Unavailable("registry is away"); };
  auto ref = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, broken, {});
  absl::Status status = (*ref)->Extract(f.cancel, {});
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK((*ref)->IsLazy());
  CHECK(f.Snapshots() == 0);
  CHECK(f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, origin.Fetcher(f), {}).ok());
  CHECK(f.Read(*ref, "a") == "from afar");
}

TEST_CASE("lazy: a blob that unpacks to another diff id is refused") {
  Origin origin;
  StoreFixture f;
  auto ref = f.manager().GetByBlob(f.cancel, origin.layer.descriptor, DigestOf("lie"), nullptr, origin.Fetcher(f), {});
  absl::Status status = (*ref)->Extract(f.cancel, {});
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(f.Snapshots() == 0);
}

TEST_CASE("lazy: records without blob are forgotten at the next start") {
  Origin origin;
  StoreFixture f;
  REQUIRE(f.manager().GetByBlob(f.cancel, origin.layer.descriptor, origin.layer.diff_id, nullptr, origin.Fetcher(f), {}).ok());
  f.Open();
  CHECK(f.manager().DiskUsage(f.cancel, {})->empty());
}

TEST_CASE("merge: later inputs win, nothing is copied for the first") {
  StoreFixture f;
  ImmutablePtr a = f.Layer(f.Layer(nullptr, "x", "a"), "only-a", "1"), b = f.Layer(nullptr, "x", "b");
  auto merged = f.manager().Merge(f.cancel, {a, nullptr, b}, {});
  REQUIRE(merged.ok());
  CHECK(f.Read(*merged, "x") == "b");
  CHECK(f.Read(*merged, "only-a") == "1");
  CHECK((*merged)->LayerChain().size() == 3);
  CHECK((*merged)->LayerChain()[1]->Id() == a->Id());
}

TEST_CASE("diff: of an ancestor the layers between, of others one new layer") {
  StoreFixture f;
  ImmutablePtr base = f.Layer(nullptr, "x", "base"), top = f.Layer(base, "y", "top"), other = f.Layer(nullptr, "z", "other");
  auto between = f.manager().Diff(f.cancel, base, top, {});
  REQUIRE(between.ok());
  CHECK(f.Read(*between, "y") == "top");
  CHECK(f.Read(*between, "x") == "(none)");
  CHECK(*f.manager().Diff(f.cancel, top, top, {}) == nullptr);
  auto unrelated = f.manager().Diff(f.cancel, other, top, {});
  REQUIRE(unrelated.ok());
  CHECK((*unrelated)->LayerChain().size() == 1);
  CHECK(f.Read(*unrelated, "x") == "base");
}

TEST_CASE("layers: an existing blob is kept, a forced form is made once and kept with it") {  // SNP-022
  StoreFixture f;
  ImmutablePtr ref = f.Layer(nullptr, "a", std::string(50000, 'a'));
  auto gzip = ref->Layers(f.cancel, {}, {}, true);
  CHECK((*gzip)[0].descriptor.media_type == media_type::kOciLayerGzip);
  auto same = ref->Layers(f.cancel, {}, {Compression::kZstd, -1, false}, true);
  CHECK((*same)[0].descriptor == (*gzip)[0].descriptor);
  auto zstd = ref->Layers(f.cancel, {}, {Compression::kZstd, -1, true}, true);
  CHECK((*zstd)[0].descriptor.media_type == media_type::kOciLayerZstd);
  CHECK((*zstd)[0].diff_id == (*gzip)[0].diff_id);
  std::string id = ref->Id();
  ref.reset();
  f.Open();
  CHECK(f.Blobs() == 2);
  auto again = (*f.manager().Get(f.cancel, id))->Layers(f.cancel, {}, {Compression::kZstd, 19, true}, true);
  CHECK((*again)[0].descriptor.digest == (*zstd)[0].descriptor.digest);
  REQUIRE(f.manager().Prune(f.cancel, {{}}, [](const UsageRecord&) {}).ok());
  CHECK(f.Blobs() == 0);
}
