// type=tar: the result's files as one tar archive for the client.
#include "base/os/unique_fd.h"
#include "daemon/exporter/archive.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/tree.h"
#include "daemon/exporter/tree_archive.h"
#include "snapshotter/diff/tar.h"

namespace bk::exporter {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// Go rounds the times of headers whose format it chooses itself: to the nearest second, halves away from zero.
int64_t RoundToSeconds(int64_t ns) {
  int64_t seconds = ns / kSecondNs, rest = ns % kSecondNs;
  if (rest >= kSecondNs / 2) seconds++;
  if (rest <= -kSecondNs / 2) seconds--;
  return seconds;
}

char EntryType(const fsutil::Stat& stat) {
  uint32_t mode = stat.mode();
  if (mode & fsutil::kModeSymlink) return '2';
  if (!stat.linkname().empty()) return '1';
  if (mode & fsutil::kModeDir) return '5';
  if (mode & fsutil::kModePipe) return '6';
  if (mode & fsutil::kModeDevice) return mode & fsutil::kModeCharDevice ? '3' : '4';
  return '0';
}

diff::TarHeader HeaderOf(const fsutil::Stat& stat) {
  diff::TarHeader header;
  header.type = EntryType(stat);
  header.name = stat.path();
  if (header.type == '5') header.name += '/';
  header.link_name = stat.linkname();
  header.mode = stat.mode() & 0777;
  if (stat.mode() & fsutil::kModeSetuid) header.mode |= 04000;
  if (stat.mode() & fsutil::kModeSetgid) header.mode |= 02000;
  if (stat.mode() & fsutil::kModeSticky) header.mode |= 01000;
  header.uid = stat.uid();
  header.gid = stat.gid();
  if (header.type == '0') header.size_bytes = stat.size();
  header.mtime.seconds = RoundToSeconds(stat.modtime());
  header.dev_major = stat.devmajor();
  header.dev_minor = stat.devminor();
  for (const auto& [name, value] : stat.xattrs()) header.pax["SCHILY.xattr." + name] = value;
  return header;
}

absl::Status CopyFile(const CancelToken& cancel, const fsutil::TreeSource& source, const std::string& path, int64_t size, diff::TarWriter& tar) {
  BK_TRY(int opened, source.open(path));
  os::UniqueFd fd(opened);
  diff::FdSource file(fd.get());
  std::string buffer(256 << 10, '\0');
  while (size > 0) {
    BK_RETURN_IF_ERROR(cancel.Check());
    BK_TRY(size_t n, file.Read(buffer.data(), std::min<size_t>(buffer.size(), static_cast<size_t>(size))));
    if (n == 0) return DataLoss("read ", path, ": file is shorter than it was");
    BK_RETURN_IF_ERROR(tar.Data({buffer.data(), n}));
    size -= static_cast<int64_t>(n);
  }
  return absl::OkStatus();
}

class TarInstance : public ExporterInstance {
 public:
  TarInstance(const ExporterParts& parts, Epoch epoch) : parts_(parts), epoch_(epoch) {}
  std::string Name() const override { return "exporting to client tarball"; }
  std::string Type() const override { return "tar"; }
  CompressionChoice Compression() const override { return {}; }

  absl::StatusOr<ExportOutcome> Export(const CancelToken& cancel, const Result& result, const ExportContext& context) override {
    BK_TRY(std::vector<PlatformTree> trees, MountResult(cancel, result, epoch_, context.fetch, parts_.temp_dir));
    std::vector<const PlatformTree*> all;
    for (const PlatformTree& tree : trees) all.push_back(&tree);
    BK_TRY(fsutil::TreeSource source, MakeTreeSource(cancel, all, result.refs.empty() ? Placement::kMerged : Placement::kDirectories));
    BK_RETURN_IF_ERROR(session::WithSession(cancel, *parts_.sessions, context.session_id, [&](const std::shared_ptr<session::Session>& client) { return Send(cancel, *client, source, context); }));
    return ExportOutcome();
  }

 private:
  absl::Status Send(const CancelToken& cancel, session::Session& client, const fsutil::TreeSource& source, const ExportContext& context) const {
    BK_TRY(auto stream, client.OpenFileSendBytes(cancel, TransferHeaders(context, {})));
    auto task = context.fetch.progress.Start("sending tarball");
    BufferedSink sink(*stream);
    BK_RETURN_IF_ERROR(WriteTreeArchive(cancel, source, [&](std::string_view bytes) { return sink.Write(bytes); }));
    BK_RETURN_IF_ERROR(sink.Flush());
    // A client that declines fails the build here, unlike with oci and docker (trap 21).
    return stream->Close();
  }

  const ExporterParts parts_;
  const Epoch epoch_;
};

class TarExporter : public Exporter {
 public:
  explicit TarExporter(const ExporterParts& parts) : parts_(parts) {}
  absl::StatusOr<std::unique_ptr<ExporterInstance>> Resolve(const std::map<std::string, std::string>& given) override {
    TextMap attrs = given;
    BK_TRY(Epoch epoch, TakeEpoch(attrs));
    return std::make_unique<TarInstance>(parts_, epoch);
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

absl::Status WriteTreeArchive(const CancelToken& cancel, const fsutil::TreeSource& source, const diff::ByteSink& out) {
  diff::TarWriter tar(out);
  BK_RETURN_IF_ERROR(source.walk([&](fsutil::Stat& stat) -> absl::Status {
    diff::TarHeader header = HeaderOf(stat);
    BK_RETURN_IF_ERROR(Annotate(tar.Header(header), StrCat("failed to write file header ", header.name)));
    if (header.type != '0' || header.size_bytes == 0) return absl::OkStatus();
    return CopyFile(cancel, source, stat.path(), header.size_bytes, tar);
  }));
  return tar.Close();
}

std::unique_ptr<Exporter> MakeTarExporter(const ExporterParts& parts) { return std::make_unique<TarExporter>(parts); }

}  // namespace bk::exporter
