#include "daemon/history/documents.h"

#include <deque>

#include <nlohmann/json.hpp>

#include "base/oci.h"

namespace bk::history {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kDocumentBytes = 4 << 20;
constexpr size_t kDocuments = 1000;
constexpr char kInToto[] = "application/vnd.in-toto+json";

struct Named {
  std::string media_type;
  Digest digest;
};

void Note(const Json& descriptor, std::deque<Named>& into) {
  if (!descriptor.is_object()) return;
  auto text = [&](const char* key) { return descriptor.contains(key) && descriptor[key].is_string() ? descriptor[key].get<std::string>() : std::string(); };
  if (auto digest = Digest::Parse(text("digest")); digest.ok()) into.push_back({text("mediaType"), *digest});
}

// What a manifest or an index names but layers.
void NoteChildren(const Json& document, std::deque<Named>& into) {
  if (!document.is_object()) return;
  for (const Json& manifest : document.value("manifests", Json::array())) Note(manifest, into);
  Note(document.value("config", Json()), into);
  for (const Json& layer : document.value("layers", Json::array())) {
    if (layer.is_object() && layer.contains("mediaType") && layer["mediaType"] == kInToto) Note(layer, into);
  }
}

bool HasChildren(const std::string& type) { return type == media_type::kOciManifest || type == media_type::kOciIndex || type == media_type::kDockerManifest || type == media_type::kDockerIndex; }

}  // namespace

void AddDocuments(const content::ContentStore& content, const moby::buildkit::v1::Descriptor& root, std::set<Digest>& into) {
  std::deque<Named> left;
  if (auto digest = Digest::Parse(root.digest()); digest.ok()) left.push_back({root.media_type(), *digest});
  std::set<Digest> seen;
  for (; !left.empty() && seen.size() < kDocuments; left.pop_front()) {
    Named one = left.front();
    if (!content.Has(one.digest) || !seen.insert(one.digest).second) continue;
    into.insert(one.digest);
    if (!HasChildren(one.media_type)) continue;
    auto text = content.Read(one.digest, kDocumentBytes);
    if (text.ok()) NoteChildren(Json::parse(*text, nullptr, false), left);
  }
}

}  // namespace bk::history
