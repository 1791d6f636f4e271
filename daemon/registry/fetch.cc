// Resolving names and fetching blobs.
#include <charconv>

#include "base/go_url.h"
#include "daemon/registry/redirect.h"
#include "daemon/registry/repository.h"

namespace bk::registry {
namespace {

constexpr char kAcceptManifests[] =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
constexpr int kMaxResumes = 20;     // of one answer that keeps breaking off
constexpr int kMaxFreshStarts = 2;  // of a blob whose bytes were wrong
constexpr size_t kMaxKnown = 65'536;

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

// Tells which of the errors met on the way is shown: what the registry itself says before what a mirror says, and of each
// the one that got furthest.
class FirstError {
 public:
  enum class Kind { kNoAnswer = 1, kMissing, kRefused };
  void Note(const Endpoint& endpoint, Kind kind, absl::Status status) {
    int rank = static_cast<int>(kind) + (endpoint.mirror ? 0 : 3);
    if (rank <= rank_) return;
    rank_ = rank;
    is_missing_ = kind == Kind::kMissing;
    status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }
  bool is_missing() const { return is_missing_; }

 private:
  absl::Status status_;
  int rank_ = 0;
  bool is_missing_ = false;
};

// One blob on its way into the store. Where a host breaks off, the next one goes on; only what had wrong bytes is begun anew.
class BlobTransfer {
 public:
  BlobTransfer(const Repository& repository, content::ContentStore& content, const Descriptor& descriptor, const cache::FetchContext& context)
      : repository_(repository), content_(content), descriptor_(descriptor), arrival_(context.arrival) {
    if (!IsDocument(descriptor.media_type)) task_.emplace(context.progress.Start(descriptor.digest.str()));
  }

  absl::Status Run(const CancelToken& cancel) {
    absl::Status status;
    for (int start = 0; start < kMaxFreshStarts; start++) {
      status = Once(cancel);
      if (!IsWrong(status)) break;
    }
    return Annotate(status, StrCat("failed to fetch ", descriptor_.digest.str(), " of ", repository_.name()));
  }

 private:
  // Whether these were other bytes than the ones asked for.
  static bool IsWrong(const absl::Status& status) { return absl::IsDataLoss(status); }

  absl::Status Once(const CancelToken& cancel) {
    FirstError error;
    absl::Status foreign;
    for (const std::string& url : descriptor_.urls) {
      absl::Status status = FromForeign(cancel, url);
      if (status.ok()) return status;
      BK_RETURN_IF_ERROR(cancel.Check());
      foreign.Update(status);
    }
    for (const Endpoint& endpoint : repository_.endpoints()) {
      for (const char* kind : {"manifests", "blobs"}) {
        bool manifest = IsManifest(descriptor_.media_type) || IsIndex(descriptor_.media_type);
        if (!manifest && kind[0] == 'm') continue;
        absl::Status status = Whole(cancel, endpoint, repository_.Url(endpoint, kind, descriptor_.digest.str()), false);
        if (status.ok()) return status;
        BK_RETURN_IF_ERROR(cancel.Check());
        error.Note(endpoint, absl::IsNotFound(status) ? FirstError::Kind::kMissing : FirstError::Kind::kRefused, status);
        if (!absl::IsNotFound(status)) break;
      }
    }
    // A foreign layer is seldom in the registry: why its own place did not give it says more.
    return error.is_missing() && !foreign.ok() ? foreign : Denied(error.status());
  }

  absl::Status FromForeign(const CancelToken& cancel, const std::string& url) {
    BK_TRY(GoUrl parsed, GoUrl::Parse(url));
    if (parsed.scheme != "http" && parsed.scheme != "https") return InvalidArgument("unsupported scheme of foreign layer ", Quote(ShownUrl(url)));
    Endpoint endpoint{parsed.scheme, "", "", false, false, {}};  // no host of ours: nothing is authorised
    return Whole(cancel, endpoint, url, true);
  }

  absl::Status Whole(const CancelToken& cancel, const Endpoint& endpoint, const std::string& url, bool told) {
    absl::Status status = Stream(cancel, endpoint, url, told);
    if (status.ok()) {
      status = ingest_->Commit(descriptor_.digest, descriptor_.size).status();
      if (absl::IsFailedPrecondition(status)) status = DataLoss(Message(status));
    }
    if (IsWrong(status)) ingest_.reset();
    return status;
  }

  // Reads on where a broken answer ended, as long as that gets further.
  absl::Status Stream(const CancelToken& cancel, const Endpoint& endpoint, const std::string& url, bool told) {
    for (int resumes = 0;; resumes++) {
      int64_t before = Received();
      absl::Status status = Request(cancel, endpoint, url, told);
      if (status.ok() && Received() < descriptor_.size) status = Unavailable("unexpected EOF after ", Received(), " of ", descriptor_.size, " bytes");
      if (status.ok() || !absl::IsUnavailable(status) || Received() <= before || resumes >= kMaxResumes) return status;
      BK_RETURN_IF_ERROR(repository_.BackOff(cancel, 0, status));
    }
  }

  absl::Status Request(const CancelToken& cancel, const Endpoint& endpoint, const std::string& url, bool told) {
    if (!ingest_) BK_RETURN_IF_ERROR(StartAgain());
    int64_t offset = Received();
    if (offset > 0 && offset == descriptor_.size) return absl::OkStatus();
    HttpRequest request;
    request.url = url;
    request.told = told;
    request.told_by_loopback = IsLocalhost(repository_.own().host);
    request.headers = {{"Accept", descriptor_.media_type.empty() ? "*/*" : descriptor_.media_type + ", */*"}};
    if (offset > 0) request.headers.emplace_back("Range", StrCat("bytes=", offset, "-"));
    request.on_head = [&](const HttpResponse& head) -> absl::Status {
      if (head.status > 299) return absl::OkStatus();
      int64_t length = ContentLength(head);
      if (head.status == 200 && length >= 0 && length != descriptor_.size) return DataLoss("the server has ", length, " bytes in place of the declared ", descriptor_.size);
      if (offset == 0) return absl::OkStatus();
      if (head.status == 206 && head.Header("content-range").starts_with(StrCat("bytes ", offset, "-"))) return absl::OkStatus();
      if (head.status == 206) return DataLoss("server answered with another range: ", Quote(head.Header("content-range")));
      return StartAgain();  // the whole blob comes again
    };
    request.sink = [&](std::string_view bytes) -> absl::Status {
      if (Received() + static_cast<int64_t>(bytes.size()) > descriptor_.size) {
        return DataLoss("longer than the declared ", descriptor_.size, " bytes");
      }
      BK_RETURN_IF_ERROR(ingest_->Write(bytes));
      if (task_) task_->Update(Received(), descriptor_.size);
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

  const Repository& repository_;
  content::ContentStore& content_;
  const Descriptor& descriptor_;
  const std::shared_ptr<content::Arrival> arrival_;
  std::optional<solver::VertexProgress::Task> task_;  // none of documents: only layers are worth a line
  std::optional<content::Ingest> ingest_;
};

}  // namespace

Registry::Registry(Options options) : options_(std::move(options)), http_(options_.stall_timeout_s), authorizer_(&http_, options_.sessions), places_(options_.places_file) {}

absl::StatusOr<Registry::Turn> Registry::AwaitTurn(const CancelToken& cancel, const std::string& domain, bool document) {
  Slots* slots = slots_.With([&](auto& all) {
    auto& found = all[domain];
    if (found == nullptr) found = std::make_unique<Slots>(options_.max_transfers);
    return found.get();
  });
  Turn turn;
  if (!document) BK_ASSIGN(turn.large, slots->large.Acquire(cancel));
  BK_ASSIGN(turn.any, slots->any.Acquire(cancel));
  return turn;
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
    if (!error.status().ok() && !error.is_missing()) break;  // only a missing manifest is looked for among the blobs
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
        error.Note(endpoint, FirstError::Kind::kNoAnswer, Denied(response.status()));
      } else if (response->status == 404) {
        error.Note(endpoint, FirstError::Kind::kMissing, NotFound(ref.str(), ": not found"));
      } else if (response->status > 299) {
        error.Note(endpoint, FirstError::Kind::kRefused, repository.Explain(cancel, endpoint, head, *response));
      } else {
        auto described = DescribeManifest(cancel, repository, endpoint, head, *response, wanted);
        if (described.ok() || !endpoint.mirror) return described;
        BK_RETURN_IF_ERROR(cancel.Check());
        error.Note(endpoint, FirstError::Kind::kRefused, described.status());
      }
    }
  }
  return error.status();
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
    auto turn = AwaitTurn(cancel, repository.domain(), document);
    absl::Status status = turn.status();
    if (turn.ok()) status = BlobTransfer(repository, *options_.content, descriptor, context).Run(cancel);
    EndFetch(descriptor.digest);
    BK_RETURN_IF_ERROR(status);
  }
  if (document) known_.With([&](auto& all) {
    if (all.size() >= kMaxKnown) all.clear();
    all.insert({ref.locator, descriptor.digest});
  });
  return absl::OkStatus();
}

void Registry::NotePlaces(const SourceReference& ref, const std::vector<Descriptor>& blobs) {
  size_t slash = ref.locator.find('/');
  if (slash == std::string::npos) return;
  for (const Descriptor& blob : blobs) {
    if (blob.urls.empty()) places_.Note(blob.digest, ref.locator.substr(0, slash), ref.locator.substr(slash + 1));
  }
}

}  // namespace bk::registry
