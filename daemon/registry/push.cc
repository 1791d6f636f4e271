// Pushing: blobs that the registry lacks, then manifests, the root last.
#include "daemon/registry/push.h"

#include "base/task_group.h"

namespace bk::registry {
namespace {

constexpr char kAcceptManifests[] =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

bool IsNonDistributable(const std::string& type) {
  return type.find("nondistributable") != std::string::npos || type.find("rootfs.foreign") != std::string::npos;
}

}  // namespace

absl::Status Push::Blob(const CancelToken& cancel, const Descriptor& blob) {
  bool document = IsDocument(blob.media_type);
  BK_TRY(Registry::Turn turn, registry_.AwaitTurn(cancel, repository_.domain(), document));
  BK_TRY(bool exists, Exists(cancel, "blobs", blob.digest.str(), blob.digest));
  if (!exists) BK_RETURN_IF_ERROR(Annotate(SendBlob(cancel, blob, turn), StrCat("failed to push ", repository_.name())));
  if (!document) registry_.places_.Note(blob.digest, repository_.domain(), repository_.path());
  return absl::OkStatus();
}

absl::Status Push::SendBlob(const CancelToken& cancel, const Descriptor& blob, Registry::Turn& turn) {
  content::ContentStore& content = *registry_.options_.content;
  Upload upload(repository_, blob, registry_.places_.Nearest(blob.digest, repository_.domain(), repository_.path()));
  BK_TRY(bool mounted, upload.Mount(cancel));
  if (mounted) return absl::OkStatus();
  if (request_.fetch != nullptr && !content.Has(blob.digest)) {
    // Fetching waits for a turn of its own, which may be at the same registry.
    turn = {};
    BK_RETURN_IF_ERROR(request_.fetch(cancel, blob));
    BK_ASSIGN(turn, registry_.AwaitTurn(cancel, repository_.domain(), IsDocument(blob.media_type)));
  }
  BK_TRY(os::UniqueFd fd, content.OpenBlob(blob.digest));
  Tell(0, blob.size);
  int64_t told = 0;
  BK_RETURN_IF_ERROR(upload.Send(cancel, fd.get(), [&](int64_t sent) {
    Tell(sent - told, 0);
    told = sent;
  }));
  Tell(blob.size - told, 0);
  return absl::OkStatus();
}

void Push::Tell(int64_t more_sent, int64_t more_to_send) {
  sent_.With([&](Sent& sent) {
    sent.bytes += more_sent;
    sent.total += more_to_send;
    layers_->Update(sent.bytes, sent.total);
  });
}

absl::StatusOr<bool> Push::Exists(const CancelToken& cancel, std::string_view kind, const std::string& object, const Digest& digest) const {
  HttpRequest head;
  head.method = "HEAD";
  head.url = repository_.Url(repository_.own(), kind, object);
  head.headers = {{"Accept", kind == "manifests" ? kAcceptManifests : "*/*"}};
  auto response = repository_.Exchange(cancel, repository_.own(), head);
  // Who may write but not read goes on and writes.
  if (absl::IsPermissionDenied(response.status())) return false;
  BK_RETURN_IF_ERROR(response);
  if (response->status == 404) return false;
  if (response->status > 299) return Annotate(repository_.Explain(cancel, repository_.own(), head, *response), StrCat("failed to push ", repository_.name()));
  return kind == "blobs" || response->Header("docker-content-digest") == digest.str();
}

absl::Status Push::Manifest(const CancelToken& cancel, const Descriptor& descriptor, const std::string& tag) const {
  std::string object = tag.empty() ? descriptor.digest.str() : tag;
  BK_TRY(bool exists, Exists(cancel, "manifests", object, descriptor.digest));
  if (exists) return absl::OkStatus();
  HttpRequest put;
  put.method = "PUT";
  put.url = repository_.Url(repository_.own(), "manifests", object);
  put.headers = {{"Content-Type", descriptor.media_type}};
  BK_ASSIGN(put.body, registry_.options_.content->Read(descriptor.digest, kMaxDocumentBytes));
  BK_TRY(HttpResponse response, repository_.Exchange(cancel, repository_.own(), put));
  if (response.status > 299) return Annotate(UnexpectedStatus(put, response), StrCat("failed to push ", repository_.name(), ":", object));
  return absl::OkStatus();
}

absl::Status Push::Blobs(const CancelToken& cancel) {
  CancelSource stop(cancel);
  Guarded<absl::Status> failure;
  std::set<Digest> seen;
  {
    TaskGroup tasks;
    for (const Descriptor& blob : request_.blobs) {
      if (IsNonDistributable(blob.media_type) || !seen.insert(blob.digest).second) continue;
      tasks.Run([&, this] {
        absl::Status status = Blob(stop.token(), blob);
        if (status.ok()) return;
        failure.With([&](absl::Status& first) { first.Update(status); });
        stop.Cancel();
      });
    }
  }
  layers_.reset();
  return failure.With([](absl::Status& first) { return first; });
}

absl::Status Registry::Push(const CancelToken& cancel, const cache::FetchContext& context, const PushRequest& request) {
  BK_TRY(ImageReference ref, ImageReference::Parse(request.ref));
  if (request.push_by_digest && !ref.name_only()) return InvalidArgument("can't push tagged ref ", ref.str(), " by digest");
  if (request.manifests.empty()) return InvalidArgument("nothing to push to ", ref.str());
  BK_TRY(Repository repository, Repository::Open(*this, ref.name(), context, true, request.insecure));
  registry::Push push(*this, repository, request, context.progress);
  BK_RETURN_IF_ERROR(push.Blobs(cancel));
  const Descriptor& root = request.manifests.back();
  std::vector<std::string> tags = request.more_tags;
  tags.insert(tags.begin(), request.push_by_digest ? "" : ref.WithDefaultTag().tag());
  for (size_t i = 0; i < tags.size(); i++) {
    BK_TRY(ImageReference named, ImageReference::Parse(tags[i].empty() ? ref.name() : StrCat(ref.name(), ":", tags[i])));
    auto task = context.progress.Start("pushing manifest for " + (request.push_by_digest ? ref.name() : named.WithDigest(root.digest).str()));
    for (const Descriptor& manifest : request.manifests) {
      bool last = &manifest == &root;
      if (last || i == 0) BK_RETURN_IF_ERROR(push.Manifest(cancel, manifest, last ? tags[i] : ""));
    }
  }
  return absl::OkStatus();
}

}  // namespace bk::registry
