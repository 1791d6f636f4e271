// The few OCI values that travel between rooms: descriptors and compression choices.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/digest.h"

namespace bk {

// OCI content descriptor (image-spec v1.1, descriptor.md).
struct Descriptor {
  std::string media_type;
  Digest digest;
  int64_t size = 0;  // bytes
  std::map<std::string, std::string> annotations;
  std::vector<std::string> urls;  // foreign layers
  std::string platform;           // "os/arch[/variant]", empty if none
  bool operator==(const Descriptor&) const = default;
};

enum class Compression { kUncompressed, kGzip, kZstd, kEstargz };

struct CompressionChoice {
  Compression type = Compression::kGzip;
  int level = -1;      // -1: the algorithm's default
  bool force = false;  // re-compress blobs that exist in another form
  bool operator==(const CompressionChoice&) const = default;
};

namespace media_type {
inline constexpr char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kOciIndex[] = "application/vnd.oci.image.index.v1+json";
inline constexpr char kOciConfig[] = "application/vnd.oci.image.config.v1+json";
inline constexpr char kOciLayer[] = "application/vnd.oci.image.layer.v1.tar";
inline constexpr char kOciLayerGzip[] = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr char kOciLayerZstd[] = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr char kDockerManifest[] = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr char kDockerIndex[] = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr char kDockerConfig[] = "application/vnd.docker.container.image.v1+json";
inline constexpr char kDockerLayer[] = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr char kDockerLayerGzip[] = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr char kDockerLayerZstd[] = "application/vnd.docker.image.rootfs.diff.tar.zstd";
}  // namespace media_type

}  // namespace bk
