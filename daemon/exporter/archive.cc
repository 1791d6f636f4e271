#include "daemon/exporter/archive.h"

#include "base/reference.h"
#include "snapshotter/diff/tar.h"

namespace bk::exporter {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

struct Member {
  int64_t mode;
  bool is_directory = false;
  std::string text;  // the content, unless
  Digest blob;       // it is this blob
  int64_t size_bytes = 0;
};
using Members = std::map<std::string, Member>;

void AddText(Members& members, const std::string& name, int64_t mode, std::string text) {
  auto size = static_cast<int64_t>(text.size());
  members[name] = {mode, false, std::move(text), {}, size};
}

void AddBlob(Members& members, const Descriptor& blob) {
  members["blobs/"] = {0755, true, "", {}, 0};
  members[StrCat("blobs/", blob.digest.algorithm(), "/")] = {0755, true, "", {}, 0};
  members[BlobPath(blob.digest)] = {0444, false, "", blob.digest, blob.size};
}

// The name of an image inside a layout: its tag alone, the whole name if it has none (OCI image-spec, annotation
// org.opencontainers.image.ref.name).
std::string ReferenceName(const std::string& name) {
  auto parsed = SourceReference::Parse(name);
  if (!parsed.ok() || parsed->object.empty() || parsed->object[0] == '@') return name;
  return parsed->object;
}

absl::StatusOr<std::string> DockerList(const MadeImage& image, const std::vector<std::string>& names) {
  std::vector<DockerImage> images;
  for (const MadeManifest& made : image.manifests) {
    DockerImage entry;
    entry.config = made.config.digest;
    for (const Descriptor& layer : made.layers) entry.layers.push_back(layer.digest);
    for (const std::string& name : names) {
      BK_TRY(ImageReference parsed, ImageReference::Parse(name));
      entry.repo_tags.push_back(parsed.familiar());
    }
    images.push_back(std::move(entry));
  }
  return DockerListText(images);
}

absl::Status CopyBlob(const CancelToken& cancel, content::ContentStore& content, const Digest& digest, diff::TarWriter& tar) {
  BK_TRY(os::UniqueFd fd, content.OpenBlob(digest));
  diff::FdSource source(fd.get());
  Sha256 hash;
  std::string buffer(kPieceBytes, '\0');
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    BK_TRY(size_t n, source.Read(buffer.data(), buffer.size()));
    if (n == 0) break;
    hash.Update({buffer.data(), n});
    BK_RETURN_IF_ERROR(tar.Data({buffer.data(), n}));
  }
  // The store verified the blob when it came; this notices what a disk made of it since.
  Digest copied = hash.FinishDigest();
  return digest.algorithm() == "sha256" && copied != digest ? DataLoss("unexpected digest ", copied.str(), " copied") : absl::OkStatus();
}

}  // namespace

std::vector<Entry> LayoutEntries(const Entry& root, const std::vector<std::string>& names) {
  if (names.empty()) return {root};
  std::vector<Entry> out;
  for (const std::string& name : names) {
    Entry entry = root;
    entry.descriptor.annotations["io.containerd.image.name"] = name;
    entry.descriptor.annotations["org.opencontainers.image.ref.name"] = ReferenceName(name);
    out.push_back(std::move(entry));
  }
  return out;
}

absl::Status WriteArchive(const CancelToken& cancel, content::ContentStore& content, const MadeImage& image, const std::vector<std::string>& names, bool docker, const diff::ByteSink& out) {
  Members members;
  for (const Descriptor& blob : image.Blobs()) AddBlob(members, blob);
  for (const Descriptor& manifest : image.Manifests()) AddBlob(members, manifest);
  AddText(members, "oci-layout", 0444, LayoutText());
  AddText(members, "index.json", 0644, LayoutIndexText(LayoutEntries(image.root, names)));
  if (docker) {
    BK_TRY(std::string list, DockerList(image, names));
    AddText(members, "manifest.json", 0644, std::move(list));
  }
  diff::TarWriter tar(out);
  for (const auto& [name, member] : members) {
    diff::TarHeader header;
    header.type = member.is_directory ? '5' : '0';
    header.name = name;
    header.mode = member.mode;
    header.size_bytes = member.size_bytes;
    BK_RETURN_IF_ERROR(tar.Header(header));
    if (!member.blob.empty()) {
      BK_RETURN_IF_ERROR(CopyBlob(cancel, content, member.blob, tar));
    } else if (!member.text.empty()) {
      BK_RETURN_IF_ERROR(tar.Data(member.text));
    }
  }
  return tar.Close();
}

absl::Status BufferedSink::Write(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kPieceBytes ? absl::OkStatus() : Flush();
}

absl::Status BufferedSink::Flush() {
  if (buffer_.empty()) return absl::OkStatus();
  std::string bytes = std::move(buffer_);
  buffer_.clear();
  return sink_.Write(bytes);
}

}  // namespace bk::exporter
