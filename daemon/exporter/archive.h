// OCI image layouts as tar archives, byte for byte as containerd writes them (golden layers/export, finding 14).
#pragma once

#include <functional>

#include "daemon/exporter/image_writer.h"
#include "daemon/session/session.h"
#include "snapshotter/diff/stream.h"

namespace bk::exporter {

// The layout's index: one entry a name, or one without.
std::vector<Entry> LayoutEntries(const Entry& root, const std::vector<std::string>& names);

// Everything of `image` (nothing lazy any more), sorted by path; with Docker's manifest.json if `docker`. `names` are
// normalised.
absl::Status WriteArchive(const CancelToken& cancel, content::ContentStore& content, const MadeImage& image, const std::vector<std::string>& names, bool docker, const diff::ByteSink& out);

// Collects small writes into messages of a client's stream.
class BufferedSink {
 public:
  explicit BufferedSink(session::ByteSink& sink) : sink_(sink) {}
  absl::Status Write(std::string_view bytes);
  absl::Status Flush();

 private:
  session::ByteSink& sink_;
  std::string buffer_;
};

}  // namespace bk::exporter
