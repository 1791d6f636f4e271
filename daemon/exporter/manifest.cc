#include "daemon/exporter/manifest.h"

#include "base/go_json.h"

namespace bk::exporter {
namespace {

constexpr char kDockerForeign[] = "application/vnd.docker.image.rootfs.foreign.diff.tar";
constexpr char kDockerForeignGzip[] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
constexpr char kNonDistributable[] = "application/vnd.oci.image.layer.nondistributable.v1.tar";
constexpr char kNonDistributableGzip[] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
constexpr char kNonDistributableZstd[] = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

// Columns: OCI, Docker, distributable OCI.
struct TypeRow {
  const char* oci;
  const char* docker;
  const char* distributable;
};
constexpr TypeRow kTypes[] = {
    {media_type::kOciLayer, media_type::kDockerLayer, media_type::kOciLayer},
    {media_type::kOciLayerGzip, media_type::kDockerLayerGzip, media_type::kOciLayerGzip},
    {media_type::kOciLayerZstd, media_type::kDockerLayerZstd, media_type::kOciLayerZstd},
    {kNonDistributable, kDockerForeign, media_type::kOciLayer},
    {kNonDistributableGzip, kDockerForeignGzip, media_type::kOciLayerGzip},
    {kNonDistributableZstd, nullptr, media_type::kOciLayerZstd},
};

void WriteText(GoJsonWriter& json, const char* key, const std::string& value) {
  if (value.empty()) return;
  json.Key(key);
  json.String(value);
}

void WriteMap(GoJsonWriter& json, const char* key, const std::map<std::string, std::string>& values) {
  if (values.empty()) return;
  json.Key(key);
  json.BeginObject();
  for (const auto& [name, value] : values) {
    json.Key(name);
    json.String(value);
  }
  json.EndObject();
}

void WriteList(GoJsonWriter& json, const char* key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  json.Key(key);
  json.BeginArray();
  for (const std::string& value : values) json.String(value);
  json.EndArray();
}

void WritePlatform(GoJsonWriter& json, const Platform& platform) {
  json.BeginObject();
  json.Key("architecture");
  json.String(platform.architecture);
  json.Key("os");
  json.String(platform.os);
  WriteText(json, "os.version", platform.os_version);
  WriteList(json, "os.features", platform.os_features);
  WriteText(json, "variant", platform.variant);
  json.EndObject();
}

void WriteEntry(GoJsonWriter& json, const Descriptor& descriptor, const Platform* platform) {
  json.BeginObject();
  json.Key("mediaType");
  json.String(descriptor.media_type);
  json.Key("digest");
  json.String(descriptor.digest.str());
  json.Key("size");
  json.Int(descriptor.size);
  WriteList(json, "urls", descriptor.urls);
  WriteMap(json, "annotations", descriptor.annotations);
  if (platform != nullptr) {
    json.Key("platform");
    WritePlatform(json, *platform);
  }
  json.EndObject();
}

void BeginDocument(GoJsonWriter& json, const std::string& media_type) {
  json.BeginObject();
  json.Key("schemaVersion");
  json.Int(2);
  json.Key("mediaType");
  json.String(media_type);
}

std::string CompactIndex(const std::string& media_type, const std::vector<Entry>& manifests, const std::map<std::string, std::string>& annotations) {
  GoJsonWriter json;
  BeginDocument(json, media_type);
  json.Key("manifests");
  if (manifests.empty()) {
    json.Null();
  } else {
    json.BeginArray();
    for (const Entry& entry : manifests) WriteEntry(json, entry.descriptor, entry.platform ? &*entry.platform : nullptr);
    json.EndArray();
  }
  WriteMap(json, "annotations", annotations);
  json.EndObject();
  return json.Take();
}

}  // namespace

std::string EntryText(const Entry& entry) {
  GoJsonWriter json;
  WriteEntry(json, entry.descriptor, entry.platform ? &*entry.platform : nullptr);
  return json.Take();
}

std::string ManifestText(const ManifestParts& parts) {
  GoJsonWriter json;
  BeginDocument(json, parts.oci ? media_type::kOciManifest : media_type::kDockerManifest);
  json.Key("config");
  WriteEntry(json, parts.config, nullptr);
  json.Key("layers");
  if (parts.layers.empty()) {
    json.Null();
  } else {
    json.BeginArray();
    for (const Descriptor& layer : parts.layers) WriteEntry(json, layer, nullptr);
    json.EndArray();
  }
  WriteMap(json, "annotations", parts.annotations);
  json.EndObject();
  return GoJsonIndent(json.text(), "  ");
}

std::string IndexText(const std::string& media_type, const std::vector<Entry>& manifests, const std::map<std::string, std::string>& annotations) {
  return GoJsonIndent(CompactIndex(media_type, manifests, annotations), "  ");
}

std::string LayoutIndexText(const std::vector<Entry>& manifests) { return CompactIndex(media_type::kOciIndex, manifests, {}); }

std::string LayoutText() { return R"({"imageLayoutVersion":"1.0.0"})"; }

std::string DockerListText(const std::vector<DockerImage>& images) {
  GoJsonWriter json;
  json.BeginArray();
  for (const DockerImage& image : images) {
    auto list = [&](const char* key, const std::vector<std::string>& values) {
      if (values.empty()) {
        json.Key(key);
        json.Null();
      } else {
        WriteList(json, key, values);
      }
    };
    json.BeginObject();
    json.Key("Config");
    json.String(BlobPath(image.config));
    list("RepoTags", image.repo_tags);
    std::vector<std::string> layers;
    for (const Digest& layer : image.layers) layers.push_back(BlobPath(layer));
    list("Layers", layers);
    json.EndObject();
  }
  json.EndArray();
  return json.Take();
}

std::string LayerMediaType(const std::string& type, bool oci) {
  for (const TypeRow& row : kTypes) {
    if (type != row.oci && (row.docker == nullptr || type != row.docker)) continue;
    const char* wanted = oci ? row.oci : row.docker;
    return wanted == nullptr ? type : wanted;
  }
  return type;
}

std::string DistributableType(const std::string& type) {
  for (const TypeRow& row : kTypes) {
    if (type == row.oci) return row.distributable;
    if (row.docker != nullptr && type == row.docker) return LayerMediaType(row.distributable, false);
  }
  return type;
}

Descriptor PlacedLayer(Descriptor layer, bool prefer_nondistributable) {
  if (!prefer_nondistributable || layer.urls.empty()) {
    layer.urls.clear();
    layer.media_type = DistributableType(layer.media_type);
    return layer;
  }
  // Docker's compressed types stay: the reference has no row for them.
  constexpr std::pair<const char*, const char*> kElsewhere[] = {{media_type::kOciLayer, kNonDistributable},
                                                                {media_type::kOciLayerGzip, kNonDistributableGzip},
                                                                {media_type::kOciLayerZstd, kNonDistributableZstd},
                                                                {media_type::kDockerLayer, kDockerForeign}};
  for (const auto& [type, elsewhere] : kElsewhere) {
    if (layer.media_type != type) continue;
    layer.media_type = elsewhere;
    break;
  }
  return layer;
}

std::string BlobPath(const Digest& digest) { return StrCat("blobs/", digest.algorithm(), "/", digest.hex()); }

}  // namespace bk::exporter
