// Layers that are unpacked while they come.
#include <algorithm>

#include "tests/unit/daemon/cache/store_fixture.h"

using namespace bk;
using namespace bk::cache;

namespace {

// Tells when the first layer is being unpacked.
class Watcher : public solver::ProgressSink {
 public:
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent& event) override {
    if (event.name == "extracting") extracting_.Change([](bool& seen) { seen = true; });
  }
  void Log(const solver::LogEvent&) override {}
  void Warning(const solver::WarningEvent&) override {}
  void AwaitExtracting() {
    extracting_.Wait([](bool seen) { return seen; });
  }

 private:
  Guarded<bool> extracting_;
};

struct Arriving {
  StoreFixture from, to;
  std::string text, bytes;  // of the file "a"; of the blob
  cache::Layer layer;
  std::shared_ptr<Watcher> watcher = std::make_shared<Watcher>();

  Arriving() {
    for (uint32_t i = 0, x = 1; i < 1'500'000; i++) text += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
    auto layers = from.Layer(nullptr, "a", text)->Layers(from.cancel, {}, {}, true);
    REQUIRE(layers.ok());
    layer = (*layers)[0];
    bytes = *from.store->content().Read(layer.descriptor.digest, 1 << 30);
    REQUIRE(bytes.size() > 1'000'000);
  }
  // A fetch that goes as `steps` say; each may write into its ingest.
  BlobFetcher Fetcher(std::function<absl::Status(content::ContentStore&, const FetchContext&)> steps) {
    return [this, steps](const CancelToken&, const FetchContext& context, const Descriptor&) { return steps(to.store->content(), context); };
  }
  ImmutablePtr Lazy(BlobFetcher fetcher) {
    auto ref = to.manager().GetByBlob(to.cancel, layer.descriptor, layer.diff_id, nullptr, std::move(fetcher), {});
    REQUIRE(ref.ok());
    return *ref;
  }
  FetchContext Context() { return {{}, solver::VertexProgress(watcher, DigestOf("vertex"))}; }
  std::string_view Half() const { return std::string_view(bytes).substr(0, bytes.size() / 2); }
  std::string_view Rest() const { return std::string_view(bytes).substr(bytes.size() / 2); }
};

}  // namespace

TEST_CASE("arriving: a layer is unpacked before the last of it was fetched") {
  Arriving a;
  auto ref = a.Lazy(a.Fetcher([&](content::ContentStore& store, const FetchContext& context) -> absl::Status {
    REQUIRE(context.arrival != nullptr);
    BK_TRY(content::Ingest ingest, store.NewIngest(context.arrival));
    BK_RETURN_IF_ERROR(ingest.Write(a.Half()));
    a.watcher->AwaitExtracting();  // would wait for ever if unpacking came after
    BK_RETURN_IF_ERROR(ingest.Write(a.Rest()));
    return ingest.Commit(a.layer.descriptor.digest, a.layer.descriptor.size).status();
  }));
  REQUIRE(ref->Extract(a.to.cancel, a.Context()).ok());
  CHECK(a.to.Read(ref, "a") == a.text);
  CHECK(a.to.Snapshots() == 1);
}

TEST_CASE("arriving: bytes of another digest leave neither snapshot nor blob, and the fetch's error is told") {
  Arriving a;
  auto ref = a.Lazy(a.Fetcher([&](content::ContentStore& store, const FetchContext& context) -> absl::Status {
    BK_TRY(content::Ingest ingest, store.NewIngest(context.arrival));
    BK_RETURN_IF_ERROR(ingest.Write(a.bytes));
    BK_RETURN_IF_ERROR(ingest.Write("more"));
    a.watcher->AwaitExtracting();
    return ingest.Commit(a.layer.descriptor.digest, -1).status();
  }));
  absl::Status status = ref->Extract(a.to.cancel, a.Context());
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("unexpected commit digest") != std::string::npos);
  CHECK(ref->IsLazy());
  CHECK(a.to.Snapshots() == 0);
  CHECK(a.to.Blobs() == 0);
}

TEST_CASE("arriving: a transfer that ends early leaves nothing, and the next one makes the layer") {
  Arriving a;
  bool cut = true;
  auto ref = a.Lazy(a.Fetcher([&](content::ContentStore& store, const FetchContext& context) -> absl::Status {
    BK_TRY(content::Ingest ingest, store.NewIngest(context.arrival));
    BK_RETURN_IF_ERROR(ingest.Write(a.Half()));
    a.watcher->AwaitExtracting();
    if (cut) return Unavailable("unexpected EOF");
    BK_RETURN_IF_ERROR(ingest.Write(a.Rest()));
    return ingest.Commit(a.layer.descriptor.digest, a.layer.descriptor.size).status();
  }));
  CHECK(absl::IsUnavailable(ref->Extract(a.to.cancel, a.Context())));
  CHECK(ref->IsLazy());
  CHECK(a.to.Snapshots() == 0);
  CHECK(os::ListDir(a.to.dir.path() + "/content/ingest")->empty());
  cut = false;
  REQUIRE(ref->Extract(a.to.cancel, a.Context()).ok());
  CHECK(a.to.Read(ref, "a") == a.text);
}

TEST_CASE("arriving: a blob that comes again from its start after wrong bytes is unpacked whole") {
  Arriving a;
  auto ref = a.Lazy(a.Fetcher([&](content::ContentStore& store, const FetchContext& context) -> absl::Status {
    {
      BK_TRY(content::Ingest wrong, store.NewIngest(context.arrival));
      BK_RETURN_IF_ERROR(wrong.Write(a.Half()));
      BK_RETURN_IF_ERROR(wrong.Write(std::string(600'000, 'w')));
      a.watcher->AwaitExtracting();
    }
    BK_TRY(content::Ingest right, store.NewIngest(context.arrival));
    BK_RETURN_IF_ERROR(right.Write(a.bytes));
    return right.Commit(a.layer.descriptor.digest, a.layer.descriptor.size).status();
  }));
  absl::Status status = ref->Extract(a.to.cancel, a.Context());
  CHECK_MESSAGE(status.ok(), status.ToString());
  CHECK(a.to.Read(ref, "a") == a.text);
  CHECK(a.to.Snapshots() == 1);
}

TEST_CASE("arriving: whoever cancels is answered while bytes are still awaited") {
  Arriving a;
  CancelSource stop(a.to.cancel);
  BlobFetcher waits = [&](const CancelToken& cancel, const FetchContext& context, const Descriptor&) -> absl::Status {
    BK_TRY(content::Ingest ingest, a.to.store->content().NewIngest(context.arrival));
    BK_RETURN_IF_ERROR(ingest.Write(a.Half()));
    a.watcher->AwaitExtracting();
    stop.Cancel(Unavailable("given up"));
    Guarded<bool> ended;
    CancelCallback wake(cancel, [&] { ended.Change([](bool& now) { now = true; }); });
    ended.Wait([&](bool now) { return now || cancel.cancelled(); });
    return cancel.Check();
  };
  auto ref = a.Lazy(waits);
  CHECK_FALSE(ref->Extract(stop.token(), a.Context()).ok());
  CHECK(a.to.Snapshots() == 0);
}
