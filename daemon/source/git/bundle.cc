#include "daemon/source/git/bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/os/copy_bytes.h"

namespace bk::source {
namespace {

absl::StatusOr<BlobIdentifier> BlobOf(const GitIdentifier& id) {
  // A store that is not named is the one that the locator is called by.
  std::string store = id.bundle_store_id;
  if (store.empty()) {
    BK_TRY(SourceReference locator, SourceReference::Parse(std::string_view(id.bundle).substr(id.bundle.find("://") + 3)));
    store = locator.locator;
  }
  BK_TRY(Identifier parsed, ParseIdentifier(id.bundle, {{"oci.session", id.bundle_session_id}, {"oci.store", store}}));
  auto* blob = std::get_if<BlobIdentifier>(&parsed);
  if (blob == nullptr) return InvalidArgument("git.bundle locator ", Quote(id.bundle), " names no blob");
  return std::move(*blob);
}

// The blob under a name that git takes; the same file where it can be.
absl::Status Place(const CancelToken& cancel, const os::UniqueFd& blob, int64_t size_bytes, const std::string& path) {
  std::string source = StrCat("/proc/self/fd/", blob.get());
  if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return absl::OkStatus();
  BK_TRY(os::UniqueFd copy, os::Open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  return os::CopyBytes(cancel, blob.get(), copy.get(), size_bytes);
}

// Of the object format that the ids in `git ls-remote` of a bundle are of.
absl::StatusOr<bool> IsSha256(const std::string& listing, const std::string& name) {
  std::string object = listing.substr(0, listing.find('\t'));
  if (listing.empty()) return Unknown("failed to inspect git bundle ", name, ": no refs found");
  if (!IsObjectId(object)) return Unknown("failed to inspect git bundle ", name, ": invalid object ID ", Quote(object));
  return object.size() == 64;
}

}  // namespace

absl::StatusOr<Bundle> Bundle::Open(const CancelToken& cancel, const cache::FetchContext& context, const ImageSourceOptions& blobs, const GitCli& git, const GitIdentifier& id) {
  BK_TRY(BlobIdentifier blob_id, BlobOf(id));
  const std::string name = blob_id.reference.str();
  int64_t size_bytes = 0;
  auto blob = FetchBlob(cancel, context, blobs, blob_id, size_bytes);
  if (!blob.ok()) return Annotate(blob.status(), "failed to fetch git bundle " + name);
  BK_TRY(os::TempDir dir, os::TempDir::Make("git-bundle-"));
  Bundle out(std::move(dir));
  const std::string file = out.dir_.path() + "/bundle";
  BK_RETURN_IF_ERROR(Place(cancel, *blob, size_bytes, file));
  GitCli local = git.With([](GitSettings& settings) { settings.protocols = kLocalProtocol; });
  auto listing = local.Run(cancel, {"ls-remote", "--", file}, GitCli::Show::kErrors);
  if (!listing.ok()) return Annotate(listing.status(), "failed to inspect git bundle " + name);
  BK_TRY(bool sha256, IsSha256(*listing, name));
  GitCli repository = local.With([&](GitSettings& settings) { settings.git_dir = out.repository(); });
  std::vector<std::string> init = {"init", "--quiet", "--bare"};
  if (sha256) init.push_back("--object-format=sha256");
  BK_RETURN_IF_ERROR(repository.Run(cancel, init, GitCli::Show::kErrors));
  auto imported = repository.Run(cancel, {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", file, "+refs/*:refs/*"}, GitCli::Show::kErrors);
  if (!imported.ok()) return Annotate(imported.status(), "failed to import git bundle " + name);
  if (!repository.Run(cancel, {"cat-file", "-e", id.checksum + "^{commit}"}, GitCli::Show::kNothing).ok()) {
    BK_RETURN_IF_ERROR(cancel.Check());
    return Unknown("commit ", id.checksum, " not found in bundle ", name);
  }
  BK_RETURN_IF_ERROR(os::RemoveAll(file));
  return out;
}

}  // namespace bk::source
