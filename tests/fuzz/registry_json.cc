// What registries answer: an index, a manifest and a config (parts between 0xff bytes, in which @1 to @9 stand for the
// digests of later parts), the body of an error, a challenge.
#include "base/os/file.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/repository.h"
#include "daemon/source/image_pull.h"
#include "tests/fuzz/input.h"

namespace {

using namespace bk;

class Answers : public source::Origin {
 public:
  Answers(content::ContentStore* content, std::vector<std::string> documents) : content_(content), documents_(std::move(documents)) {
    for (size_t i = documents_.size(); i-- > 0;) {
      std::string text;
      for (size_t at = 0; at < documents_[i].size(); at++) {
        size_t part = documents_[i][at] == '@' && at + 1 < documents_[i].size() ? static_cast<size_t>(documents_[i][at + 1] - '0') : 0;
        if (part > i && part < documents_.size()) {
          text += DigestOf(documents_[part]).str();
          at++;
        } else {
          text += documents_[i][at];
        }
      }
      documents_[i] = text;
    }
  }
  absl::StatusOr<Descriptor> Resolve(const CancelToken&, const cache::FetchContext&, const SourceReference&) override {
    Descriptor descriptor;
    descriptor.digest = DigestOf(documents_[0]);
    descriptor.size = static_cast<int64_t>(documents_[0].size());
    return descriptor;
  }
  absl::Status Fetch(const CancelToken&, const cache::FetchContext&, const SourceReference&, const Descriptor& descriptor) override {
    for (const std::string& document : documents_) {
      if (DigestOf(document) == descriptor.digest) return content_->Put(document, descriptor.digest);
    }
    return NotFound("not found");
  }
  void Clear() const {
    for (const std::string& document : documents_) content_->Remove(DigestOf(document)).IgnoreError();
  }

 private:
  content::ContentStore* content_;
  std::vector<std::string> documents_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const os::TempDir dir = *os::TempDir::Make("fuzz-");
  static const auto content = *content::ContentStore::Open(dir.path());
  auto documents = fuzz::Parts(fuzz::Text(data, std::min<size_t>(size, 1 << 16)), '\xff', 6);
  registry::HttpResponse response;
  response.status = 401;
  response.body = documents[0];
  response.headers.emplace("www-authenticate", documents.back());
  (void)registry::UnexpectedStatus("GET", "https://host/v2/", response);
  registry::Authorizer authorizer(nullptr, nullptr);
  registry::Access access;
  access.repository = "library/x";
  authorizer.Learn(CancelToken::Never(), access, "host", {}, response, false).IgnoreError();

  Answers origin(content.get(), documents);
  auto pulled = source::PullDocuments(CancelToken::Never(), {}, origin, *content, *SourceReference::Parse("host/x:y"), {"linux", "amd64", "", "", {}});
  if (pulled.ok()) fuzz::Require(pulled->layers.size() == pulled->diff_ids.size(), "as many diff ids as layers");
  origin.Clear();
  return 0;
}
