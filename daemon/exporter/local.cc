// type=local: the result's files in a directory of the client, by the transfer protocol (traps 6 and 21).
#include "base/go_parse.h"
#include "base/task_group.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/tree.h"

namespace bk::exporter {
namespace {

struct LocalOptions {
  Epoch epoch;
  std::optional<bool> platform_split;
  bool delete_mode = false;
};

absl::StatusOr<LocalOptions> ParseOptions(TextMap attrs) {
  LocalOptions out;
  BK_ASSIGN(out.epoch, TakeEpoch(attrs));
  if (auto it = attrs.find("platform-split"); it != attrs.end()) {
    auto value = ParseBool(it->second);
    if (!value.ok()) return Annotate(value.status(), StrCat("non-bool value for platform-split: ", it->second));
    out.platform_split = *value;
  }
  if (auto it = attrs.find("mode"); it != attrs.end()) {
    const std::string& mode = it->second;
    if (!mode.empty() && mode != "copy" && mode != "delete") return InvalidArgument("invalid local exporter mode ", Quote(mode));
    out.delete_mode = mode == "delete";
  }
  return out;
}

// Files of two platforms must not have one name when they share the directory.
absl::Status CheckConflicts(const CancelToken& cancel, const std::vector<PlatformTree>& trees) {
  if (trees.size() < 2) return absl::OkStatus();
  std::map<std::string, std::string> owners;
  for (const PlatformTree& platform : trees) {
    BK_RETURN_IF_ERROR(platform.tree->Walk(cancel, [&](fsutil::Stat& stat) -> absl::Status {
      if (stat.mode() & fsutil::kModeDir) return absl::OkStatus();
      auto [first, fresh] = owners.emplace(stat.path(), platform.id);
      if (fresh) return absl::OkStatus();
      return InvalidArgument("cannot overwrite ", stat.path(), " from ", first->second, " with ", platform.id, " when split option is disabled");
    }));
  }
  return absl::OkStatus();
}

class LocalInstance : public ExporterInstance {
 public:
  LocalInstance(const ExporterParts& parts, LocalOptions options) : parts_(parts), options_(std::move(options)) {}
  std::string Name() const override { return "exporting to client directory"; }
  std::string Type() const override { return "local"; }
  CompressionChoice Compression() const override { return {}; }

  absl::StatusOr<ExportOutcome> Export(const CancelToken& cancel, const Result& result, const ExportContext& context) override {
    BK_RETURN_IF_ERROR(parts_.sessions->Get(cancel, context.session_id).status());
    BK_TRY(std::vector<PlatformTree> trees, MountResult(cancel, result, options_.epoch, context.fetch, parts_.temp_dir));
    bool split = options_.platform_split.value_or(!result.refs.empty());
    if (!split) BK_RETURN_IF_ERROR(CheckConflicts(cancel, trees));
    Placement placement = split ? Placement::kDirectories : Placement::kMerged;
    if (options_.delete_mode) {
      // One transfer with everything: what it does not have is deleted.
      std::vector<const PlatformTree*> all;
      for (const PlatformTree& tree : trees) all.push_back(&tree);
      BK_RETURN_IF_ERROR(Send(cancel, all, placement, "copying files", context));
      return ExportOutcome();
    }
    Guarded<absl::Status> failure;
    CancelSource stop(cancel);
    {
      TaskGroup tasks;
      for (const PlatformTree& tree : trees) {
        tasks.Run([&] {
          std::string label = split ? StrCat("copying files ", tree.id) : "copying files";
          absl::Status status = Send(stop.token(), {&tree}, placement, label, context);
          if (status.ok()) return;
          failure.With([&](absl::Status& first) { first.Update(status); });
          stop.Cancel();
        });
      }
    }
    BK_RETURN_IF_ERROR(failure.With([](absl::Status& first) { return first; }));
    return ExportOutcome();
  }

 private:
  absl::Status Send(const CancelToken& cancel, const std::vector<const PlatformTree*>& trees, Placement placement, const std::string& label, const ExportContext& context) const {
    return session::WithSession(cancel, *parts_.sessions, context.session_id, [&](const std::shared_ptr<session::Session>& client) { return SendTo(cancel, *client, trees, placement, label, context); });
  }

  absl::Status SendTo(const CancelToken& cancel, session::Session& client, const std::vector<const PlatformTree*>& trees, Placement placement, const std::string& label, const ExportContext& context) const {
    BK_TRY(fsutil::TreeSource source, MakeTreeSource(cancel, trees, placement));
    std::map<std::string, std::string> headers = TransferHeaders(context, {});
    if (options_.delete_mode) headers["buildkit-exporter-multi-platform"] = "1";
    BK_TRY(auto stream, client.OpenFileSendPackets(cancel, headers));
    auto task = context.fetch.progress.Start(label, "transferring");
    // The stream is broken off after FIN both ways, which clients take for success.
    return fsutil::SendTree(cancel, *stream, source, [&](int64_t sent) { task.Update(sent, 0); });
  }

  const ExporterParts parts_;
  const LocalOptions options_;
};

class LocalExporter : public Exporter {
 public:
  explicit LocalExporter(const ExporterParts& parts) : parts_(parts) {}
  absl::StatusOr<std::unique_ptr<ExporterInstance>> Resolve(const std::map<std::string, std::string>& attrs) override {
    BK_TRY(LocalOptions options, ParseOptions(attrs));
    return std::make_unique<LocalInstance>(parts_, std::move(options));
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

std::unique_ptr<Exporter> MakeLocalExporter(const ExporterParts& parts) { return std::make_unique<LocalExporter>(parts); }

}  // namespace bk::exporter
