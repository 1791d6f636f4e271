// Resolving names and fetching blobs.
#include <charconv>

#include "base/go_url.h"
#include "daemon/registry/repository.h"

namespace bk::registry {
namespace {

constexpr char kAcceptManifests[] =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
constexpr int kMaxResumes = 20;     // of one answer that keeps breaking off
constexpr int kMaxFreshStarts = 2;  // of a blob whose bytes were wrong

std::string MediaType(const HttpResponse& response) {
  std::string type = response.Header("content-type");
  return type.substr(0, type.find(';'));
}

int64_t ContentLength(const HttpResponse& response) {
  std::string text = response.Header("content-length");
  int64_t size = -1;
  std::from_chars(text.data(), text.data() + text.size(), size);
  return size;
}

absl::Status Denied(const absl::Status& status) {
  if (!absl::IsPermissionDenied(status) || !std::string_view(status.message().data(), status.message().size()).ends_with("authorization failed")) return status;
  return Annotate(status, "pull access denied, repository does not exist or may require authorization");
}

// The descriptor that a manifest request found; a second one reads the body when the headers do not say enough.
absl::StatusOr<Descriptor> DescribeManifest(const CancelToken& cancel, const Repository& repository, const Endpoint& endpoint,
                                            const HttpRequest& head, const HttpResponse& found, const Digest& wanted) {
  Descriptor out;
  out.media_type = MediaType(found);
  out.size = ContentLength(found);
  out.digest = wanted;
  if (out.digest.empty() && out.size >= 0) {
    if (std::string text = found.Header("docker-content-digest"); !text.empty()) {
      auto digest = Digest::Parse(text);
      if (!digest.ok()) return Annotate(digest.status(), StrCat(Quote(text), " in header not a valid digest"));
      out.digest = *digest;
    }
  }
  if (out.digest.empty() || out.size < 0) {
    HttpRequest get = head;
    get.method = "GET";
    get.limit_bytes = kMaxDocumentBytes;
    BK_TRY(HttpResponse response, repository.Exchange(cancel, endpoint, get));
    if (response.status > 299) return UnexpectedStatus(get, response);
    out.media_type = MediaType(response);
    out.size = static_cast<int64_t>(response.body.size());
    if (out.digest.empty()) out.digest = DigestOf(response.body);
  }
  if (out.size > kMaxDocumentBytes) return NotFound("rejecting ", out.size, " byte manifest for ", repository.name(), ": not found");
  return out;
}

// Tells which of the errors met on the way is shown: the one that got furthest.
struct FirstError {
  absl::Status status;
  int rank = 0;
  void Note(int new_rank, absl::Status new_status) {
    if (new_rank <= rank) return;
    rank = new_rank;
    status = std::move(new_status);
  }
};

// One blob on its way into the store.
class BlobTransfer {
 public:
  BlobTransfer(const Repository& repository, content::ContentStore& content, const Descriptor& descriptor, const cache::FetchContext& context)
      : repository_(repository), content_(content), descriptor_(descriptor), arrival_(context.arrival), task_(context.progress.Start(descriptor.digest.str())) {}

  absl::Status Run(const CancelToken& cancel) {
    absl::Status status;
    for (int start = 0; start < kMaxFreshStarts; start++) {
      ingest_.reset();
      status = Once(cancel);
      if (!absl::IsDataLoss(status) && !absl::IsFailedPrecondition(status)) break;
    }
    return Annotate(status, StrCat("failed to fetch ", descriptor_.digest.str(), " of ", repository_.name()));
  }

 private:
  absl::Status Once(const CancelToken& cancel) {
    FirstError error;
    for (const std::string& url : descriptor_.urls) {
      absl::Status status = FromForeign(cancel, url);
      if (status.ok()) return Commit();
      error.Note(1, status);
    }
    for (const Endpoint& endpoint : repository_.endpoints()) {
      for (const char* kind : {"manifests", "blobs"}) {
        bool manifest = IsManifest(descriptor_.media_type) || IsIndex(descriptor_.media_type);
        if (!manifest && kind[0] == 'm') continue;
        absl::Status status = FromEndpoint(cancel, endpoint, kind);
        if (status.ok()) return Commit();
        BK_RETURN_IF_ERROR(cancel.Check());
        error.Note(absl::IsNotFound(status) ? 2 : 3, status);
        if (!absl::IsNotFound(status)) break;
      }
    }
    return Denied(error.status);
  }

  absl::Status FromForeign(const CancelToken& cancel, const std::string& url) {
    BK_TRY(GoUrl parsed, GoUrl::Parse(url));
    if (parsed.scheme != "http" && parsed.scheme != "https") return InvalidArgument("unsupported scheme of foreign layer ", Quote(url));
    Endpoint endpoint{parsed.scheme, "", ""};  // no host of ours: nothing is authorised
    return Stream(cancel, endpoint, url);
  }

  absl::Status FromEndpoint(const CancelToken& cancel, const Endpoint& endpoint, const char* kind) {
    return Stream(cancel, endpoint, repository_.Url(endpoint, kind, descriptor_.digest.str()));
  }

  // Reads on where a broken answer ended, as long as that gets further.
  absl::Status Stream(const CancelToken& cancel, const Endpoint& endpoint, const std::string& url) {
    for (int resumes = 0;; resumes++) {
      int64_t before = Received();
      absl::Status status = Request(cancel, endpoint, url);
      if (status.ok() && Received() < descriptor_.size) status = Unavailable("unexpected EOF after ", Received(), " of ", descriptor_.size, " bytes");
      if (status.ok() || !absl::IsUnavailable(status) || Received() <= before || resumes >= kMaxResumes) return status;
      BK_RETURN_IF_ERROR(repository_.BackOff(cancel, 0, nullptr));
    }
  }

  absl::Status Request(const CancelToken& cancel, const Endpoint& endpoint, const std::string& url) {
    if (!ingest_) BK_RETURN_IF_ERROR(StartAgain());
    int64_t offset = Received();
    HttpRequest request;
    request.url = url;
    request.headers = {{"Accept", descriptor_.media_type.empty() ? "*/*" : descriptor_.media_type + ", */*"}};
    if (offset > 0) request.headers.emplace_back("Range", StrCat("bytes=", offset, "-"));
    request.on_head = [&](const HttpResponse& head) -> absl::Status {
      if (head.status > 299 || offset == 0) return absl::OkStatus();
      if (head.status == 206 && head.Header("content-range").starts_with(StrCat("bytes ", offset, "-"))) return absl::OkStatus();
      if (head.status == 206) return DataLoss("server answered with another range: ", Quote(head.Header("content-range")));
      return StartAgain();  // the whole blob comes again
    };
    request.sink = [&](std::string_view bytes) -> absl::Status {
      if (Received() + static_cast<int64_t>(bytes.size()) > descriptor_.size) {
        return DataLoss("longer than the declared ", descriptor_.size, " bytes");
      }
      BK_RETURN_IF_ERROR(ingest_->Write(bytes));
      task_.Update(Received(), descriptor_.size);
      return absl::OkStatus();
    };
    BK_TRY(HttpResponse response, repository_.Exchange(cancel, endpoint, std::move(request)));
    return response.status > 299 ? UnexpectedStatus("GET", url, response) : absl::OkStatus();
  }

  absl::Status StartAgain() {
    ingest_.reset();
    BK_TRY(content::Ingest fresh, content_.NewIngest(arrival_));
    ingest_.emplace(std::move(fresh));
    return absl::OkStatus();
  }

  int64_t Received() const { return ingest_ ? ingest_->size_bytes() : 0; }
  absl::Status Commit() { return ingest_->Commit(descriptor_.digest, descriptor_.size).status(); }

  const Repository& repository_;
  content::ContentStore& content_;
  const Descriptor& descriptor_;
  const std::shared_ptr<content::Arrival> arrival_;
  solver::VertexProgress::Task task_;
  std::optional<content::Ingest> ingest_;
};

}  // namespace

Registry::Registry(Options options) : options_(std::move(options)), authorizer_(&http_, options_.sessions) {}

Semaphore& Registry::TransferSlots(const std::string& domain) {
  constexpr int64_t kTransfersAtATime = 4;
  return *slots_.With([&](auto& slots) {
    auto& slot = slots[domain];
    if (slot == nullptr) slot = std::make_unique<Semaphore>(kTransfersAtATime);
    return slot.get();
  });
}

absl::StatusOr<bool> Registry::BeginFetch(const CancelToken& cancel, const Digest& digest) {
  CancelCallback wake(cancel, [this] { fetching_.Change([](auto&) {}); });
  bool mine = fetching_.WaitThen([&](auto& all) { return !all.contains(digest) || cancel.cancelled(); },
                                 [&](auto& all) { return !cancel.cancelled() && all.insert(digest).second; });
  if (!mine) return cancel.Check();
  if (!options_.content->Has(digest)) return true;
  EndFetch(digest);
  return false;
}

void Registry::EndFetch(const Digest& digest) {
  fetching_.Change([&](auto& all) { all.erase(digest); });
}

absl::StatusOr<Descriptor> Registry::Resolve(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref) {
  if (ref.object.empty()) return InvalidArgument("object required");
  BK_TRY(Repository repository, Repository::Open(*this, ref.locator, context, false, false));
  Digest wanted;
  if (std::string text = ref.digest_text(); !text.empty()) {
    BK_ASSIGN(wanted, Digest::Parse(text));
    bool known = known_.With([&](auto& all) { return all.contains({ref.locator, wanted}); });
    if (auto size = options_.content->Size(wanted); known && size.ok()) return Descriptor{"", wanted, *size, {}, {}, ""};
  }
  FirstError error;
  std::vector<const char*> kinds = wanted.empty() ? std::vector<const char*>{"manifests"} : std::vector<const char*>{"manifests", "blobs"};
  for (const char* kind : kinds) {
    if (error.rank > 2) break;  // only a missing manifest is looked for among the blobs
    for (const Endpoint& endpoint : repository.endpoints()) {
      HttpRequest head;
      head.method = "HEAD";
      head.url = repository.Url(endpoint, kind, wanted.empty() ? ref.object : wanted.str());
      head.headers = {{"Accept", kAcceptManifests}};
      auto response = repository.Exchange(cancel, endpoint, head);
      if (response.ok() && response->status == 405) {
        head.method = "GET";
        head.limit_bytes = kMaxDocumentBytes;
        response = repository.Exchange(cancel, endpoint, head);
      }
      BK_RETURN_IF_ERROR(cancel.Check());
      if (!response.ok()) {
        error.Note(1, Denied(response.status()));
      } else if (response->status == 404) {
        error.Note(2, NotFound(ref.str(), ": not found"));
      } else if (response->status > 299) {
        error.Note(3, UnexpectedStatus(head, *response));
      } else {
        return DescribeManifest(cancel, repository, endpoint, head, *response, wanted);
      }
    }
  }
  return error.status;
}

absl::Status Registry::Fetch(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref, const Descriptor& descriptor) {
  bool document = IsDocument(descriptor.media_type);
  if (descriptor.size < 0 || (descriptor.size == 0 && document)) {
    return InvalidArgument("blob ", descriptor.digest.str(), " has invalid size ", descriptor.size);
  }
  if (document && descriptor.size > kMaxDocumentBytes) {
    return ResourceExhausted(descriptor.digest.str(), " of ", descriptor.size, " bytes exceeds the limit of ", kMaxDocumentBytes);
  }
  BK_TRY(Repository repository, Repository::Open(*this, ref.locator, context, false, false));
  BK_TRY(bool mine, BeginFetch(cancel, descriptor.digest));
  if (mine) {
    absl::Status status = absl::OkStatus();
    Permit slot;
    if (!document) {
      auto permit = TransferSlots(repository.domain()).Acquire(cancel);
      status = permit.status();
      if (permit.ok()) slot = std::move(*permit);
    }
    if (status.ok()) status = BlobTransfer(repository, *options_.content, descriptor, context).Run(cancel);
    EndFetch(descriptor.digest);
    BK_RETURN_IF_ERROR(status);
  }
  if (document) known_.With([&](auto& all) { all.insert({ref.locator, descriptor.digest}); });
  return absl::OkStatus();
}

}  // namespace bk::registry
