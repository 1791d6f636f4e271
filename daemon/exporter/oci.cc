// type=oci and type=docker: an image layout for the client, as one tar archive or blob by blob into a store it serves.
#include <time.h>


#include "base/semaphore.h"
#include "base/task_group.h"
#include "daemon/exporter/archive.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/image_time.h"
#include "daemon/exporter/names.h"

namespace bk::exporter {
namespace {

constexpr char kCreated[] = "org.opencontainers.image.created";
constexpr char kStoreId[] = "export";
constexpr size_t kStorePieceBytes = 1 << 20;

// The key under which containerd's clients write a blob ("layer-sha256:…").
std::string WriteKey(const Descriptor& blob) {
  const std::string& type = blob.media_type;
  const char* kind = "layer";
  if (type == media_type::kOciManifest || type == media_type::kDockerManifest) kind = "manifest";
  if (type == media_type::kOciIndex || type == media_type::kDockerIndex) kind = "index";
  if (type == media_type::kOciConfig || type == media_type::kDockerConfig) kind = "config";
  return StrCat(kind, "-", blob.digest.str());
}

class LayoutInstance : public ExporterInstance {
 public:
  LayoutInstance(const ExporterParts& parts, bool docker, ImageOptions options, bool tar, TextMap extra)
      : parts_(parts), docker_(docker), options_(std::move(options)), tar_(tar), extra_(std::move(extra)) {}

  std::string Name() const override { return StrCat("exporting to ", Type(), " image format"); }
  std::string Type() const override { return docker_ ? "docker" : "oci"; }
  CompressionChoice Compression() const override { return options_.compression; }

  absl::StatusOr<ExportOutcome> Export(const CancelToken& cancel, const Result& given, const ExportContext& context) override {
    if (docker_ && !given.refs.empty()) return InvalidArgument("docker exporter does not currently support exporting manifest lists");
    Result result = given;
    ImageOptions options = options_;
    BK_RETURN_IF_ERROR(MergeMetadata(extra_, result, options));
    BK_RETURN_IF_ERROR(options.SetDefaults(context.compatibility_version, Type()));
    BK_TRY(MadeImage image, MakeImage(cancel, parts_, result, options, context.fetch));
    BK_RETURN_IF_ERROR(SetCreated(result, image));
    std::string names = options.name;
    if (auto name = result.metadata.find("image.name"); names == "*" && name != result.metadata.end()) names = name->second;
    BK_TRY(std::vector<std::string> normalized, NormalizedNames(names));
    ExportOutcome outcome;
    outcome.response = ImageResponse(image);
    outcome.descriptors = {image.root.descriptor};
    for (const std::string& name : normalized) {
      std::string& all = outcome.response["image.name"];
      all += all.empty() ? name : "," + name;
    }
    BK_RETURN_IF_ERROR(parts_.sessions->Get(cancel, context.session_id).status());
    BK_RETURN_IF_ERROR(image.FetchLazy(cancel, context.fetch));
    BK_RETURN_IF_ERROR(session::WithSession(cancel, *parts_.sessions, context.session_id, [&](const std::shared_ptr<session::Session>& client) {
      return tar_ ? SendArchive(cancel, *client, image, normalized, outcome, context) : SendBlobs(cancel, *client, image);
    }));
    return outcome;
  }

 private:
  // The time of the build, unless the image's descriptor has one already.
  absl::Status SetCreated(const Result& result, MadeImage& image) const {
    if (image.root.descriptor.annotations.contains(kCreated)) return absl::OkStatus();
    std::optional<int64_t> epoch;
    if (options_.epoch) {
      epoch = *options_.epoch;
    } else {
      BK_ASSIGN(epoch, FrontendEpoch(result.metadata, ""));
    }
    image.root.descriptor.annotations[kCreated] = ImageTime::FromSeconds(epoch.value_or(time(nullptr))).SecondsText();
    return absl::OkStatus();
  }

  absl::Status SendArchive(const CancelToken& cancel, session::Session& client, const MadeImage& image, const std::vector<std::string>& names, const ExportOutcome& outcome, const ExportContext& context) const {
    BK_TRY(auto stream, client.OpenFileSendBytes(cancel, TransferHeaders(context, outcome.response)));
    auto task = context.fetch.progress.Start("sending tarball");
    BufferedSink sink(*stream);
    absl::Status sent = WriteArchive(cancel, *parts_.content, image, names, docker_, [&](std::string_view bytes) { return sink.Write(bytes); });
    if (sent.ok()) sent = sink.Flush();
    if (sent.ok()) sent = stream->Close();
    // A client that has it already declines (trap 21).
    return absl::IsAlreadyExists(sent) ? absl::OkStatus() : sent;
  }

  // Into the store that the client serves: layers and configs at the same time, then manifests, the root last.
  absl::Status SendBlobs(const CancelToken& cancel, session::Session& client, const MadeImage& image) const {
    auto store = client.Store(kStoreId);
    Guarded<absl::Status> failure;
    CancelSource stop(cancel);
    {
      Semaphore slots(4);
      TaskGroup tasks;
      for (const Descriptor& blob : image.Blobs()) {
        tasks.Run([&, blob] {
          auto slot = slots.Acquire(stop.token());
          absl::Status status = slot.status();
          if (slot.ok()) status = SendBlob(stop.token(), *store, blob);
          if (status.ok()) return;
          failure.With([&](absl::Status& first) { first.Update(status); });
          stop.Cancel();
        });
      }
    }
    BK_RETURN_IF_ERROR(failure.With([](absl::Status& first) { return first; }));
    for (const Descriptor& manifest : image.Manifests()) BK_RETURN_IF_ERROR(SendBlob(cancel, *store, manifest));
    return absl::OkStatus();
  }

  absl::Status SendBlob(const CancelToken& cancel, session::RemoteStore& store, const Descriptor& blob) const {
    // The store may ask again from the start when another writer holds the blob.
    os::UniqueFd fd;
    bool open = false;
    auto next = [&]() -> absl::StatusOr<std::string> {
      if (!open) BK_ASSIGN(fd, parts_.content->OpenBlob(blob.digest));
      open = true;
      diff::FdSource source(fd.get());
      std::string piece(kStorePieceBytes, '\0');
      BK_TRY(size_t n, source.Read(piece.data(), piece.size()));
      piece.resize(n);
      if (n == 0) open = false;
      return piece;
    };
    return store.Write(cancel, WriteKey(blob), blob.digest.str(), blob.size, next);
  }

  const ExporterParts parts_;
  const bool docker_;
  const ImageOptions options_;
  const bool tar_;
  const TextMap extra_;
};

class LayoutExporter : public Exporter {
 public:
  LayoutExporter(const ExporterParts& parts, bool docker) : parts_(parts), docker_(docker) {}
  absl::StatusOr<std::unique_ptr<ExporterInstance>> Resolve(const std::map<std::string, std::string>& given) override {
    TextMap attrs = given;
    bool tar = true;
    BK_TRY(ImageOptions options, ImageOptions::Take(attrs));
    BK_RETURN_IF_ERROR(TakeSwitch(attrs, "tar", tar));
    return std::make_unique<LayoutInstance>(parts_, docker_, std::move(options), tar, std::move(attrs));
  }

 private:
  const ExporterParts parts_;
  const bool docker_;
};

}  // namespace

std::unique_ptr<Exporter> MakeOciExporter(const ExporterParts& parts) { return std::make_unique<LayoutExporter>(parts, false); }
std::unique_ptr<Exporter> MakeDockerExporter(const ExporterParts& parts) { return std::make_unique<LayoutExporter>(parts, true); }

}  // namespace bk::exporter
