// Images from a content store that the client serves over its session.
#include "daemon/source/image.h"

namespace bk::source {
namespace {

class OciLayoutOrigin final : public Origin {
 public:
  OciLayoutOrigin(session::Manager* sessions, content::ContentStore* content, std::string session_id, std::string store_id)
      : sessions_(sessions), content_(content), session_id_(std::move(session_id)), store_id_("oci:" + store_id) {}

  absl::StatusOr<Descriptor> Resolve(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref) override {
    std::string text = ref.digest_text();
    if (text.empty()) return InvalidArgument("reference ", Quote(ref.str()), " must have digest");
    Descriptor out;
    BK_ASSIGN(out.digest, Digest::Parse(text));
    absl::Status status = WithStore(cancel, context, [&](session::RemoteStore& store) -> absl::Status {
      BK_ASSIGN(out.size, store.Size(cancel, text));
      return absl::OkStatus();
    });
    if (absl::IsNotFound(status)) return NotFound("unable to get info about digest: NotFound: rpc error: code = NotFound desc = ", Message(status));
    if (!status.ok()) return Annotate(status, "unable to get info about digest");
    return out;
  }

  absl::Status Fetch(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference&, const Descriptor& descriptor) override {
    if (content_->Has(descriptor.digest)) return absl::OkStatus();
    auto task = context.progress.Start(descriptor.digest.str());
    return WithStore(cancel, context, [&](session::RemoteStore& store) -> absl::Status {
      BK_TRY(content::Ingest ingest, content_->NewIngest(context.arrival));
      BK_RETURN_IF_ERROR(store.Read(cancel, descriptor.digest.str(), 0, descriptor.size, [&](std::string_view bytes) -> absl::Status {
        if (ingest.size_bytes() + static_cast<int64_t>(bytes.size()) > descriptor.size) {
          return DataLoss(descriptor.digest.str(), " is longer than the declared ", descriptor.size, " bytes");
        }
        BK_RETURN_IF_ERROR(ingest.Write(bytes));
        task.Update(ingest.size_bytes(), descriptor.size);
        return absl::OkStatus();
      }));
      return ingest.Commit(descriptor.digest, descriptor.size).status();
    });
  }

 private:
  absl::Status WithStore(const CancelToken& cancel, const cache::FetchContext& context, const std::function<absl::Status(session::RemoteStore&)>& f) {
    if (sessions_ == nullptr) return FailedPrecondition("no active sessions");
    if (!session_id_.empty()) {
      BK_TRY(std::shared_ptr<session::Session> client, sessions_->Get(cancel, session_id_));
      return f(*client->Store(store_id_));
    }
    return session::Any(cancel, *sessions_, context.session_ids,
                        [&](const std::shared_ptr<session::Session>& client) { return f(*client->Store(store_id_)); });
  }

  session::Manager* const sessions_;
  content::ContentStore* const content_;
  const std::string session_id_, store_id_;
};

}  // namespace

OriginPtr MakeOciLayoutOrigin(session::Manager* sessions, content::ContentStore* content, std::string session_id, std::string store_id) {
  return std::make_shared<OciLayoutOrigin>(sessions, content, std::move(session_id), std::move(store_id));
}

}  // namespace bk::source
