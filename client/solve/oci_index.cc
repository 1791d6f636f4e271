#include "client/solve/oci_index.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/go_json.h"
#include "base/oci.h"
#include "base/os/file.h"
#include "base/reference.h"

namespace bk::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxIndexBytes = 64 << 20;
constexpr char kImageName[] = "io.containerd.image.name";
constexpr char kRefName[] = "org.opencontainers.image.ref.name";
constexpr char kLayout[] = R"({"imageLayoutVersion":"1.0.0"})";

std::string Annotation(const Json& manifest, const char* key) {
  auto annotations = manifest.find("annotations");
  if (annotations == manifest.end() || !annotations->is_object()) return "";
  auto value = annotations->find(key);
  return value != annotations->end() && value->is_string() ? value->get<std::string>() : "";
}

absl::StatusOr<Json> Parse(const std::string& path, const std::string& text) {
  Json index = Json::parse(text, nullptr, false);
  if (!index.is_object()) return InvalidArgument("could not unmarshal ", path, " (", Quote(text), ")");
  if (!index.contains("manifests") || !index["manifests"].is_array()) index["manifests"] = Json::array();
  return index;
}

// What the OCI specification calls the reference name of a full image name: the part after the repository.
std::string RefName(const std::string& image_name) {
  auto reference = SourceReference::Parse(image_name);
  return reference.ok() ? reference->object : image_name;
}

void Insert(Json& index, Json descriptor, const OciIndex::Name& name) {
  std::string image_name = name.is_tag ? "" : name.text, ref_name = name.is_tag ? name.text : RefName(name.text);
  Json& annotations = descriptor["annotations"];
  if (!annotations.is_object()) annotations = Json::object();
  if (!image_name.empty()) annotations[kImageName] = image_name;
  annotations[kRefName] = ref_name;
  Json kept = Json::array();
  for (const Json& manifest : index["manifests"]) {
    if (Annotation(manifest, kRefName) != ref_name || Annotation(manifest, kImageName) != image_name) kept.push_back(manifest);
  }
  kept.push_back(std::move(descriptor));
  index["manifests"] = std::move(kept);
}

// Keys in the order of the specification's structures, maps sorted.
Json Ordered(const Json& object, std::initializer_list<const char*> order) {
  Json out = Json::object();
  for (const char* key : order) {
    if (object.contains(key)) out[key] = object[key];
  }
  for (const auto& [key, value] : object.items()) {
    if (!out.contains(key)) out[key] = value;
  }
  return out;
}

}  // namespace

absl::StatusOr<std::optional<Digest>> OciIndex::Find(const std::string& tag) const {
  std::string path = directory_ + "/index.json";
  auto text = os::ReadFile(path, kMaxIndexBytes);
  if (!text.ok()) return Annotate(text.status(), StrCat("could not read ", path));
  BK_TRY(Json index, Parse(path, *text));
  for (const char* key : {kImageName, kRefName}) {
    for (const Json& manifest : index["manifests"]) {
      if (!manifest.is_object() || Annotation(manifest, key) != tag) continue;
      BK_TRY(Digest digest, Digest::Parse(manifest.value("digest", "")));
      return digest;
    }
  }
  return std::nullopt;
}

absl::Status OciIndex::Put(const std::string& descriptor_json, const std::vector<Name>& names) const {
  std::string path = directory_ + "/index.json", lock_path = path + ".lock";
  BK_TRY(os::UniqueFd lock, os::Open(lock_path, O_CREAT | O_RDWR, 0644));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return Unavailable("could not lock ", lock_path);
  struct RemoveLock {
    const std::string& path;
    ~RemoveLock() { unlink(path.c_str()); }
  } remove_lock{lock_path};

  BK_RETURN_IF_ERROR(os::WriteFile(directory_ + "/oci-layout", kLayout, 0644));
  Json index = {{"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", Json::array()}};
  if (auto text = os::ReadFile(path, kMaxIndexBytes); text.ok() && !text->empty()) {
    BK_TRY(Json old, Parse(path, *text));
    index.update(old);
  }
  Json descriptor = Json::parse(descriptor_json, nullptr, false);
  if (!descriptor.is_object()) return InvalidArgument("the daemon's image descriptor is no JSON object");
  for (const Name& name : names) Insert(index, descriptor, name);
  for (Json& manifest : index["manifests"]) {
    if (manifest.contains("annotations")) manifest["annotations"] = Json(nlohmann::json(manifest["annotations"]));
    manifest = Ordered(manifest, {"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"});
  }
  index = Ordered(index, {"schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations"});
  return os::WriteFileAtomic(path, GoJsonCompact(index.dump()), 0644, false);
}

}  // namespace bk::client
