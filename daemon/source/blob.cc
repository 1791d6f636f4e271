#include "daemon/source/blob.h"

#include "base/go_json.h"
#include "base/os/copy_bytes.h"
#include "daemon/registry/registry.h"
#include "daemon/source/single_file.h"

namespace bk::source {
namespace {

absl::StatusOr<Digest> DigestOfBlob(const BlobIdentifier& id) {
  auto digest = Digest::Parse(id.reference.digest_text());
  return digest.ok() ? digest : Annotate(digest.status(), "invalid reference digest");
}

// Go's JSON of {Digest, Filename, Perm, UID, GID}.
std::string KeyOf(const BlobIdentifier& id, const Digest& digest) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Digest");
  w.String(digest.str());
  w.Key("Filename");
  w.String(id.filename);
  for (auto [key, value] : {std::pair("Perm", id.perm), std::pair("UID", id.uid), std::pair("GID", id.gid)}) {
    w.Key(key);
    w.Int(value);
  }
  w.EndObject();
  return DigestOf(w.text()).str();
}

class BlobInstance final : public SourceInstance {
 public:
  BlobInstance(const ImageSourceOptions& options, BlobIdentifier id) : options_(options), id_(std::move(id)) {}

  absl::StatusOr<SourceKey> CacheKey(const CancelToken&, const cache::FetchContext&, int) override {
    BK_TRY(Digest digest, DigestOfBlob(id_));
    return SourceKey{KeyOf(id_, digest), digest.str(), true};
  }

  absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) override {
    BK_TRY(Digest digest, DigestOfBlob(id_));
    int64_t size_bytes = 0;
    BK_TRY(os::UniqueFd blob, FetchBlob(cancel, context, options_, id_, size_bytes));
    BK_TRY(auto file, SingleFile::Create(cancel, context, *options_.cache, "blob " + id_.reference.str()));
    if (size_bytes > file->Room()) return ResourceExhausted("blob ", id_.reference.str(), " of ", size_bytes, " bytes is too large for the disk");
    BK_RETURN_IF_ERROR(os::CopyBytes(cancel, blob.get(), file->fd(), size_bytes));
    return file->Commit(cancel, {id_.filename.empty() ? std::string(digest.hex()) : id_.filename, id_.perm, id_.uid, id_.gid, 0}, "");
  }

 private:
  const ImageSourceOptions options_;
  const BlobIdentifier id_;
};

class BlobSource final : public Source {
 public:
  explicit BlobSource(const ImageSourceOptions& options) : options_(options) {}

  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    BK_TRY(Identifier identifier, ParseIdentifier(request.identifier, request.attrs));
    auto* id = std::get_if<BlobIdentifier>(&identifier);
    if (id == nullptr) return InvalidArgument("invalid image blob identifier ", request.identifier);
    BK_RETURN_IF_ERROR(CheckOwner(id->uid, id->gid));
    return std::make_unique<BlobInstance>(options_, std::move(*id));
  }

 private:
  const ImageSourceOptions options_;
};

}  // namespace

std::unique_ptr<Source> MakeBlobSource(const ImageSourceOptions& options) { return std::make_unique<BlobSource>(options); }

absl::StatusOr<os::UniqueFd> FetchBlob(const CancelToken& cancel, const cache::FetchContext& context, const ImageSourceOptions& options, const BlobIdentifier& id, int64_t& size_bytes) {
  BK_TRY(Digest digest, DigestOfBlob(id));
  if (digest.algorithm() != "sha256") return InvalidArgument("blob ", id.reference.str(), ": digest algorithm ", Quote(digest.algorithm()), " not supported, expected \"sha256\"");
  // No record keeps the blob: what others collect must wait until it is open.
  auto use = options.content->Use();
  if (id.oci_layout) {
    OriginPtr origin = MakeOciLayoutOrigin(options.sessions, options.content, id.session_id, id.store_id);
    BK_TRY(Descriptor found, origin->Resolve(cancel, context, id.reference));
    BK_RETURN_IF_ERROR(origin->Fetch(cancel, context, id.reference, found));
  } else if (!context.offline || !options.content->Has(digest)) {
    BK_TRY(Descriptor found, options.registry->FindBlob(cancel, context, id.reference));
    BK_RETURN_IF_ERROR(options.registry->Fetch(cancel, context, id.reference, found));
  }
  BK_ASSIGN(size_bytes, options.content->Size(digest));
  return options.content->OpenBlob(digest);
}

}  // namespace bk::source
