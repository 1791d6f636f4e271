// Pushing: blobs that the registry lacks, then manifests, the root last.
#include <algorithm>

#include "base/go_url.h"
#include "base/task_group.h"
#include "daemon/registry/repository.h"

namespace bk::registry {
namespace {

constexpr char kSourceLabel[] = "containerd.io/distribution.source.";

bool IsNonDistributable(const std::string& type) {
  return type.find("nondistributable") != std::string::npos || type.find("rootfs.foreign") != std::string::npos;
}

class Push {
 public:
  Push(Repository repository, content::ContentStore& content) : repository_(std::move(repository)), content_(content) {}

  absl::Status Blob(const CancelToken& cancel, const Descriptor& descriptor) {
    BK_TRY(bool exists, Exists(cancel, "blobs", descriptor.digest.str(), descriptor.digest));
    if (exists) return absl::OkStatus();
    absl::Status status;
    // An upload cannot be resumed after the connection broke in the middle of one request: a new one is begun.
    for (int attempt = 0; attempt <= kMaxRepetitions; attempt++) {
      if (attempt > 0) BK_RETURN_IF_ERROR(repository_.BackOff(cancel, attempt - 1, nullptr));
      status = Upload(cancel, descriptor);
      if (!absl::IsUnavailable(status)) break;
    }
    return Annotate(status, StrCat("failed to push ", repository_.name()));
  }

  absl::Status Manifest(const CancelToken& cancel, const Descriptor& descriptor, const std::string& tag) {
    std::string object = tag.empty() ? descriptor.digest.str() : tag;
    BK_TRY(bool exists, Exists(cancel, "manifests", object, descriptor.digest));
    if (exists) return absl::OkStatus();
    HttpRequest put;
    put.method = "PUT";
    put.url = repository_.Url(repository_.own(), "manifests", object);
    put.headers = {{"Content-Type", descriptor.media_type}};
    BK_ASSIGN(put.body, content_.Read(descriptor.digest, kMaxDocumentBytes));
    BK_TRY(HttpResponse response, repository_.Exchange(cancel, repository_.own(), put));
    if (response.status > 299) return Annotate(UnexpectedStatus(put, response), StrCat("failed to push ", repository_.name(), ":", object));
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<bool> Exists(const CancelToken& cancel, std::string_view kind, const std::string& object, const Digest& digest) {
    HttpRequest head;
    head.method = "HEAD";
    head.url = repository_.Url(repository_.own(), kind, object);
    head.headers = {{"Accept", "*/*"}};
    if (kind == "manifests") head.headers = {{"Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*"}};
    BK_TRY(HttpResponse response, repository_.Exchange(cancel, repository_.own(), head));
    if (response.status == 404) return false;
    if (response.status > 299) return Annotate(UnexpectedStatus(head, response), StrCat("failed to push ", repository_.name()));
    return kind == "blobs" || response.Header("docker-content-digest") == digest.str();
  }

  // Another repository of the same registry that has the blob, if a pull noted one.
  std::string MountSource(const Descriptor& descriptor) const {
    auto found = descriptor.annotations.find(kSourceLabel + repository_.domain());
    if (found == descriptor.annotations.end()) return "";
    std::string first = found->second.substr(0, found->second.find(','));
    return first == repository_.path() ? "" : first;
  }

  absl::Status Upload(const CancelToken& cancel, const Descriptor& descriptor) {
    const Endpoint& endpoint = repository_.own();
    HttpRequest post;
    post.method = "POST";
    post.url = repository_.Url(endpoint, "blobs/uploads", "");
    Repository asking = repository_;
    if (std::string from = MountSource(descriptor); !from.empty()) {
      asking.access().mount_from = from;
      post.url += StrCat("?mount=", descriptor.digest.str(), "&from=", QueryEscape(from));
    }
    BK_TRY(HttpResponse begun, asking.Exchange(cancel, endpoint, post));
    if (begun.status == 201) return absl::OkStatus();  // mounted
    if (begun.status != 202 && begun.status != 200 && begun.status != 204) return UnexpectedStatus(post, begun);
    BK_TRY(GoUrl base, GoUrl::Parse(post.url));
    // The scheme that worked, should the endpoint have fallen back to plain HTTP.
    BK_TRY(GoUrl location, base.Resolve(begun.Header("location")));
    GoUrl::Query query = location.query();
    query["digest"] = {descriptor.digest.str()};
    location.raw_query = EncodeQuery(query);
    BK_TRY(os::UniqueFd blob, content_.OpenBlob(descriptor.digest));
    HttpRequest put;
    put.method = "PUT";
    put.url = location.str();
    put.headers = {{"Content-Type", "application/octet-stream"}};
    put.body_fd = blob.get();
    put.body_size_bytes = descriptor.size;
    BK_TRY(HttpResponse done, repository_.Exchange(cancel, endpoint, put));
    return done.status > 299 ? UnexpectedStatus(put, done) : absl::OkStatus();
  }

  const Repository repository_;
  content::ContentStore& content_;
};

}  // namespace

absl::Status Registry::Push(const CancelToken& cancel, const cache::FetchContext& context, const PushRequest& request) {
  BK_TRY(ImageReference ref, ImageReference::Parse(request.ref));
  if (request.push_by_digest && !ref.name_only()) return InvalidArgument("can't push tagged ref ", ref.str(), " by digest");
  if (request.manifests.empty()) return InvalidArgument("nothing to push to ", ref.str());
  BK_TRY(Repository repository, Repository::Open(*this, ref.name(), context, true, request.insecure));
  registry::Push push(std::move(repository), *options_.content);
  {
    auto task = context.progress.Start("pushing layers");
    CancelSource stop(cancel);
    Guarded<absl::Status> failure;
    TaskGroup uploads;
    std::set<Digest> seen;
    for (const Descriptor& blob : request.blobs) {
      if (IsNonDistributable(blob.media_type) || !seen.insert(blob.digest).second) continue;
      uploads.Run([&, this] {
        auto slot = TransferSlots(ref.domain()).Acquire(stop.token());
        absl::Status status = slot.status();
        if (slot.ok()) status = push.Blob(stop.token(), blob);
        if (status.ok()) return;
        failure.With([&](absl::Status& first) { first.Update(status); });
        stop.Cancel();
      });
    }
    uploads.Wait();
    BK_RETURN_IF_ERROR(failure.With([](absl::Status& first) { return first; }));
  }
  const Descriptor& root = request.manifests.back();
  std::string shown = request.push_by_digest ? ref.name() : ref.WithDefaultTag().WithDigest(root.digest).str();
  auto task = context.progress.Start("pushing manifest for " + shown);
  for (const Descriptor& manifest : request.manifests) {
    bool tagged = &manifest == &root && !request.push_by_digest;
    BK_RETURN_IF_ERROR(push.Manifest(cancel, manifest, tagged ? ref.WithDefaultTag().tag() : ""));
  }
  return absl::OkStatus();
}

}  // namespace bk::registry
