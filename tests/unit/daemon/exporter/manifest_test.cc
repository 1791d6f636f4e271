#include "daemon/exporter/manifest.h"

#include <doctest/doctest.h>

using namespace bk;

TEST_CASE("layers stay at the places of others only if that is preferred, and their type says so") {
  auto placed = [](const std::string& type, std::vector<std::string> urls, bool prefer) {
    Descriptor layer;
    layer.media_type = type;
    layer.urls = std::move(urls);
    Descriptor out = exporter::PlacedLayer(layer, prefer);
    return out.media_type + (out.urls.empty() ? "" : " at " + out.urls[0]);
  };
  const std::string plain = "application/vnd.oci.image.layer.v1.tar+zstd", elsewhere = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
  CHECK(placed(plain, {"u"}, true) == elsewhere + " at u");
  CHECK(placed(elsewhere, {"u"}, true) == elsewhere + " at u");
  CHECK(placed(elsewhere, {"u"}, false) == plain);
  CHECK(placed(elsewhere, {}, true) == plain);
  CHECK(placed("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", {"u"}, false) == "application/vnd.docker.image.rootfs.diff.tar.gzip");
  CHECK(placed("application/vnd.docker.image.rootfs.diff.tar.gzip", {"u"}, true) == "application/vnd.docker.image.rootfs.diff.tar.gzip at u");
}
