"""Images of any number of layers and platforms, put into a registry: `Publisher(host).image("library/x", [Part(…)])`."""
import dataclasses
import gzip
import hashlib
import http.client
import json
import os
import platform

from . import image

OCI = "application/vnd.oci.image."
HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass
class Part:
    """One platform of an image. A layer is a tar: bytes, or the path of a file."""
    layers: list
    config: dict = dataclasses.field(default_factory=lambda: {"Env": [PATH], "Cmd": ["sh"]})
    architecture: str = HOST
    variant: str = ""


class Publisher:
    """`diff_ids` has those of all layers that were published."""

    def __init__(self, host):
        self.host, self.packed = host, {}
        self.diff_ids = set()

    def send(self, method, path, data=b"", size=None, kind="application/octet-stream"):
        connection = http.client.HTTPConnection(self.host)
        connection.request(method, path, data, {"Content-Type": kind, "Content-Length": str(len(data) if size is None else size)})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {body[:300]}")
        where = answer.headers.get("Location", "")
        connection.close()
        return where.partition(self.host)[2] if "://" in where else where

    def blob(self, name, kind, data, size=None, digest=None):
        where = self.send("POST", f"/v2/{name}/blobs/uploads/")
        digest, size = digest or image.digest(data), len(data) if size is None else size
        self.send("PUT", where + ("&" if "?" in where else "?") + "digest=" + digest, data, size)
        return {"mediaType": OCI + kind, "digest": digest, "size": size}

    def layer(self, name, source):
        """(descriptor, diff id); bytes are packed, a file goes as it is, for it is large and near."""
        if isinstance(source, bytes):
            if source not in self.packed:
                self.packed[source] = gzip.compress(source, 6, mtime=0)
            return self.blob(name, "layer.v1.tar+gzip", self.packed[source]), image.digest(source)
        if source not in self.packed:
            with open(source, "rb") as file:
                self.packed[source] = _digest(file)
        with open(source, "rb") as file:
            return self.blob(name, "layer.v1.tar", file, os.path.getsize(source), self.packed[source]), self.packed[source]

    def image(self, name, parts, tag="latest"):
        """Returns the digest of the manifest, or of the index when there is more than one part."""
        manifests = []
        for part in parts:
            layers = [self.layer(name, source) for source in part.layers]
            self.diff_ids.update(diff_id for _, diff_id in layers)
            text = {"created": "2020-09-13T12:26:40Z", "architecture": part.architecture, **({"variant": part.variant} if part.variant else {}), "os": "linux", "config": part.config,
                    "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
                    "history": [{"created": "2020-09-13T12:26:40Z", "created_by": f"{name}, layer {number}"} for number in range(len(layers))]}
            config = self.blob(name, "config.v1+json", json.dumps(text).encode())
            data = json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": [layer for layer, _ in layers]}).encode()
            top = {**image.descriptor(OCI + "manifest.v1+json", data), "platform": {"os": "linux", "architecture": part.architecture, **({"variant": part.variant} if part.variant else {})}}
            self.send("PUT", f"/v2/{name}/manifests/{tag if len(parts) == 1 else top['digest']}", data, kind=top["mediaType"])
            manifests.append(top)
        if len(parts) > 1:
            data = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}).encode()
            self.send("PUT", f"/v2/{name}/manifests/{tag}", data, kind=OCI + "index.v1+json")
            return image.digest(data)
        return manifests[0]["digest"]


def _digest(file):
    state = hashlib.sha256()
    while piece := file.read(1 << 20):
        state.update(piece)
    return "sha256:" + state.hexdigest()
