// Looking for one blob by its digest, whatever image it belongs to.
#include <charconv>

#include "daemon/registry/repository.h"

namespace bk::registry {
namespace {

absl::StatusOr<int64_t> SizeOf(const HttpResponse& response, const std::string& name) {
  std::string text = response.Header("content-length");
  int64_t size = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || size < 0) return Unknown(name, ": the registry does not say how large it is");
  return size;
}

}  // namespace

absl::StatusOr<Descriptor> Registry::FindBlob(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref) {
  BK_TRY(Digest digest, Digest::Parse(ref.digest_text()));
  BK_TRY(Repository repository, Repository::Open(*this, ref.locator, context, false, false));
  absl::Status last;
  for (const char* kind : {"blobs", "manifests"}) {
    for (const Endpoint& endpoint : repository.endpoints()) {
      HttpRequest head;
      head.method = "HEAD";
      head.url = repository.Url(endpoint, kind, digest.str());
      head.headers = {{"Accept", "*/*"}};
      auto response = repository.Exchange(cancel, endpoint, head);
      BK_RETURN_IF_ERROR(cancel.Check());
      absl::Status status = !response.ok() ? response.status() : response->status > 299 ? UnexpectedStatus(head, *response) : absl::OkStatus();
      if (status.ok()) {
        Descriptor found;
        found.digest = digest;
        BK_ASSIGN(found.size, SizeOf(*response, ref.str()));
        std::string type = response->Header("content-type");
        found.media_type = kind[0] == 'm' ? type.substr(0, type.find(';')) : "application/octet-stream";
        return found;
      }
      // What a mirror does not have counts less than what another one refuses.
      if (last.ok() || absl::IsNotFound(last)) last = status;
    }
    if (!absl::IsNotFound(last)) return last;  // only what is no blob is looked for among the manifests
  }
  return NotFound(ref.str(), ": not found");
}

}  // namespace bk::registry
