// What an export needs around it: refs made of a case's layers, a registry in memory, texts with tokens.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/cache/ref.h"
#include "snapshotter/content/content_store.h"
#include "tests/golden/support/runner.h"
#include "tests/unit/support/http_server.h"

namespace bk::golden::layers {

// The one time of the build; what the cases call $NOW.
inline constexpr int64_t kBuildTimeNs = 1893456000'500000000;
inline constexpr char kBuildTime[] = "2030-01-01T00:00:00.5Z";

// A ref over layers given as uncompressed tar streams.
class LayerRef : public cache::ImmutableRef, public std::enable_shared_from_this<LayerRef> {
 public:
  struct Part {
    std::string tar, description;
  };
  LayerRef(content::ContentStore* store, std::vector<Part> parts) : store_(store), parts_(std::move(parts)) {}
  absl::StatusOr<std::unique_ptr<cache::ActiveMount>> Mount(const CancelToken&, const cache::FetchContext&, bool) const override { return Unimplemented("not mounted here"); }
  const std::string& Id() const override { return id_; }
  std::vector<cache::ImmutablePtr> LayerChain() const override;
  absl::StatusOr<std::vector<cache::Layer>> Layers(const CancelToken&, const cache::FetchContext&, const CompressionChoice& compression, bool) const override;
  absl::StatusOr<int64_t> SizeBytes(const CancelToken&) const override { return 0; }
  absl::Status Extract(const CancelToken&, const cache::FetchContext&) const override { return absl::OkStatus(); }
  bool IsLazy() const override { return false; }
  std::string Description() const override { return parts_.back().description; }
  int64_t CreatedNs() const override { return kBuildTimeNs; }
  std::string GetValue(const std::string&) const override { return ""; }
  absl::Status SetValue(const std::string&, const std::string&) const override { return absl::OkStatus(); }

 private:
  const std::string id_ = "ref";
  content::ContentStore* store_;
  const std::vector<Part> parts_;
};

// As LayerRef, with the blobs of a ref of the cache, which keeps what it made for earlier exports.
class StoredRef final : public LayerRef {
 public:
  StoredRef(content::ContentStore* store, std::vector<Part> parts, cache::ImmutablePtr stored) : LayerRef(store, std::move(parts)), stored_(std::move(stored)) {}
  absl::StatusOr<std::vector<cache::Layer>> Layers(const CancelToken& cancel, const cache::FetchContext& fetch, const CompressionChoice& compression, bool create) const override {
    return stored_->Layers(cancel, fetch, compression, create);
  }

 private:
  cache::ImmutablePtr stored_;
};

// Takes pushes and remembers which digest a tag has ("repo:tag", "repo@" for pushes by digest).
class MemoryRegistry {
 public:
  MemoryRegistry() : server_([this](const testing::TestRequest& request) { return Answer(request); }) {}
  std::string host() const { return server_.host(); }
  std::map<std::string, std::string> tags() const {
    return tags_.With([](const auto& tags) { return tags; });
  }

 private:
  testing::TestResponse Answer(const testing::TestRequest& request);
  Guarded<std::map<std::string, std::string>> tags_;
  testing::HttpServer server_;
};

absl::StatusOr<std::string> Unpack(const std::string& base64_gzip);
// `got` against a text in which $NOW, $DIGEST{…}, $SIZE{…} and $HEX{…} stand for what differs from run to run.
absl::Status ExpectPattern(std::string_view what, const std::string& got, const std::string& want);
// `text` with the build's time in place of $NOW.
std::string WithTime(std::string text);

}  // namespace bk::golden::layers
