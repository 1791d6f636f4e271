#include "daemon/control/content_service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/filter.h"
#include "daemon/control/convert.h"

namespace bk::control {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;
constexpr int kInfosInMessage = 100;

// The reference's content service answers with the text of an error that came over gRPC.
absl::Status AsRpcError(const absl::Status& status) { return absl::Status(status.code(), wire::RpcErrorText(status)); }
absl::Status ReadOnly() { return AsRpcError(Unknown("read-only content store")); }

absl::StatusOr<os::UniqueFd> Open(const content::ContentStore& store, const std::string& text, struct stat& st) {
  auto digest = Digest::Parse(text);
  if (!digest.ok()) return AsRpcError(InvalidArgument(Quote(text), " failed validation"));
  auto file = store.OpenBlob(*digest);
  if (!file.ok()) return AsRpcError(NotFound("content digest ", text, ": not found"));
  if (fstat(file->get(), &st) < 0) return AsRpcError(ErrnoError(errno, StrCat("content digest ", text)));
  return file;
}

google::protobuf::Timestamp TimeOf(const timespec& time) { return Timestamp(time.tv_sec * 1'000'000'000 + time.tv_nsec); }

cs::Info InfoOf(const std::string& digest, const struct stat& st) {
  cs::Info info;
  info.set_digest(digest);
  info.set_size(st.st_size);
  *info.mutable_created_at() = TimeOf(st.st_mtim);
  *info.mutable_updated_at() = TimeOf(st.st_mtim);
  return info;
}

bool Wanted(const Filter& filter, const cs::Info& info) {
  return filter.Matches([&](const FieldPath& path) -> std::optional<std::string> {
    if (path[0] == "digest") return info.digest();
    if (path[0] == "size") return StrCat(info.size());
    return std::nullopt;
  });
}

}  // namespace

grpc::ServerUnaryReactor* ContentService::Info(grpc::CallbackServerContext* context, const cs::InfoRequest* request, cs::InfoResponse* response) {
  struct stat st;
  auto file = Open(*store_, request->digest(), st);
  if (!file.ok()) return wire::Answer(context, file.status());
  *response->mutable_info() = InfoOf(request->digest(), st);
  return wire::Answer(context, absl::OkStatus());
}

grpc::ServerWriteReactor<cs::ListContentResponse>* ContentService::List(grpc::CallbackServerContext*, const cs::ListContentRequest* request) {
  return wire::RunServerStream<cs::ListContentResponse>(*tasks_, [this, request = *request](const CancelToken& cancel, wire::Writer<cs::ListContentResponse>& writer) -> absl::Status {
    auto filter = Filter::Parse({request.filters().begin(), request.filters().end()});
    if (!filter.ok()) return AsRpcError(filter.status());
    BK_TRY(std::vector<content::ContentStore::Entry> entries, store_->List());
    cs::ListContentResponse response;
    for (const content::ContentStore::Entry& entry : entries) {
      BK_RETURN_IF_ERROR(cancel.Check());
      struct stat st;
      if (stat(store_->Path(entry.digest).c_str(), &st) < 0) continue;  // removed meanwhile
      cs::Info info = InfoOf(entry.digest.str(), st);
      if (Wanted(*filter, info)) *response.add_info() = std::move(info);
      if (response.info_size() < kInfosInMessage) continue;
      BK_RETURN_IF_ERROR(writer.Write(response));
      response.Clear();
    }
    return response.info_size() > 0 ? writer.Write(response) : absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ContentService::Status(grpc::CallbackServerContext* context, const cs::StatusRequest* request, cs::StatusResponse*) {
  return wire::Answer(context, AsRpcError(NotFound("ingest ref ", Quote(request->ref()), ": not found")));
}

grpc::ServerUnaryReactor* ContentService::ListStatuses(grpc::CallbackServerContext* context, const cs::ListStatusesRequest*, cs::ListStatusesResponse*) {
  return wire::Answer(context, absl::OkStatus());  // nothing is ever written through this service
}

grpc::ServerWriteReactor<cs::ReadContentResponse>* ContentService::Read(grpc::CallbackServerContext*, const cs::ReadContentRequest* request) {
  return wire::RunServerStream<cs::ReadContentResponse>(*tasks_, [this, request = *request](const CancelToken& cancel, wire::Writer<cs::ReadContentResponse>& writer) -> absl::Status {
    struct stat st;
    BK_TRY(os::UniqueFd file, Open(*store_, request.digest(), st));
    int64_t offset = std::max<int64_t>(0, request.offset());
    if (offset > st.st_size) return AsRpcError(Error(absl::StatusCode::kOutOfRange, "read past object length ", st.st_size, " bytes"));
    int64_t left = st.st_size - offset;
    if (request.size() > 0) left = std::min<int64_t>(left, request.size());
    std::string piece;
    while (left > 0) {
      BK_RETURN_IF_ERROR(cancel.Check());
      piece.resize(static_cast<size_t>(std::min(left, kPieceBytes)));
      ssize_t n = pread(file.get(), piece.data(), piece.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return AsRpcError(DataLoss("content digest ", request.digest(), " is shorter than it was"));
      piece.resize(static_cast<size_t>(n));
      cs::ReadContentResponse response;
      response.set_offset(offset);
      response.set_data(piece);
      BK_RETURN_IF_ERROR(writer.Write(response));
      offset += n;
      left -= n;
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ContentService::Update(grpc::CallbackServerContext* context, const cs::UpdateRequest*, cs::UpdateResponse*) {
  return wire::Answer(context, ReadOnly());
}

grpc::ServerUnaryReactor* ContentService::Delete(grpc::CallbackServerContext* context, const cs::DeleteContentRequest*, google::protobuf::Empty*) {
  return wire::Answer(context, ReadOnly());
}

grpc::ServerUnaryReactor* ContentService::Abort(grpc::CallbackServerContext* context, const cs::AbortRequest*, google::protobuf::Empty*) {
  return wire::Answer(context, ReadOnly());
}

grpc::ServerBidiReactor<cs::WriteContentRequest, cs::WriteContentResponse>* ContentService::Write(grpc::CallbackServerContext*) {
  return wire::RunBidi<cs::WriteContentRequest, cs::WriteContentResponse>(
      *tasks_, [](const CancelToken&, wire::BidiStream<cs::WriteContentRequest, cs::WriteContentResponse>&) { return ReadOnly(); });
}

}  // namespace bk::control
