#include "client/session/secrets.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "base/os/file.h"
#include "proto/wire/server_call.h"
#include "session/secrets.grpc.pb.h"

namespace bk::client {
namespace {

using moby::buildkit::secrets::v1::GetSecretRequest;
using moby::buildkit::secrets::v1::GetSecretResponse;

class Secrets : public moby::buildkit::secrets::v1::Secrets::CallbackService {
 public:
  explicit Secrets(std::map<std::string, SecretSource> sources) : sources_(std::move(sources)) {}

  grpc::ServerUnaryReactor* GetSecret(grpc::CallbackServerContext* context, const GetSecretRequest* request, GetSecretResponse* response) override {
    return wire::RunUnary<GetSecretResponse>(tasks_, context, response, [this, id = request->id()](const CancelToken&, GetSecretResponse& out) {
      auto it = sources_.find(id);
      if (it == sources_.end()) return NotFound("not found");  // the daemon names the secret
      BK_TRY(std::string value, Read(it->second));
      out.set_data(std::move(value));
      return absl::OkStatus();
    });
  }

 private:
  static absl::StatusOr<std::string> Read(const SecretSource& source) {
    if (source.env.empty()) return os::ReadFile(source.file_path, kMaxSecretBytes);
    const char* value = std::getenv(source.env.c_str());
    return std::string(value == nullptr ? "" : value);
  }
  const std::map<std::string, SecretSource> sources_;
  TaskGroup tasks_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<grpc::Service>> MakeSecrets(const std::vector<SecretSource>& sources) {
  std::map<std::string, SecretSource> by_id;
  for (SecretSource source : sources) {
    if (source.id.empty()) return InvalidArgument("secret missing ID");
    if (source.env.empty() && source.file_path.empty()) {
      (std::getenv(source.id.c_str()) != nullptr ? source.env : source.file_path) = source.id;
    }
    if (!source.file_path.empty()) {
      struct stat st;
      if (stat(source.file_path.c_str(), &st) != 0) {
        return ErrnoError(errno, StrCat("failed to stat ", source.file_path, ": stat ", source.file_path));
      }
      if (st.st_size > kMaxSecretBytes) return InvalidArgument("secret ", source.id, " too big. max size 500KiB");
    }
    by_id[source.id] = source;
  }
  return std::make_unique<Secrets>(std::move(by_id));
}

}  // namespace bk::client
