"""A registry of one image a name, made of layers that are given, that answers each blob as it is told: truncated, altered, not at all."""
import gzip
import http.server
import io
import json
import os
import tarfile

from . import image
from .served import Served


def tar(*entries):
    """A layer of (name, {TarInfo's fields}, data)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, data in entries:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.size = image.MTIME, 0o755, len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class BadRegistry(Served):
    """`with BadRegistry() as bad: bad.add("name", [layer], answer=lambda data: data[:9])`; answer is for the last layer's blob."""

    def __init__(self):
        self.blobs, self.tags, self.answers = {}, {}, {}
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                self.close_connection = True
                last = self.path.rpartition("/")[2]
                name = self.path[len("/v2/"):].partition("/")[0]
                digest = registry.tags.get(name) if "/manifests/" in self.path and not last.startswith("sha256:") else last
                data = registry.blobs.get(digest)
                if data is None:
                    self.send_response(200 if self.path == "/v2/" else 404)
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(200)
                self.send_header("Content-Type", json.loads(data)["mediaType"] if "/manifests/" in self.path else "application/octet-stream")
                self.send_header("Docker-Content-Digest", digest)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(registry.answers.get(digest, lambda whole: whole)(data))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def add(self, name, layers, answer=None, edit=None, raw=None):
        """The image's reference. `edit` changes the manifest before it has a digest; `raw`: the last layer's blob instead of gzip of it."""
        packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        if raw is not None:
            packed[-1] = raw
        config = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux", "config": {"Cmd": ["sh"]},
                  "rootfs": {"type": "layers", "diff_ids": [image.digest(layer) for layer in layers]}}
        config_bytes = json.dumps(config).encode()
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": image.descriptor("application/vnd.oci.image.config.v1+json", config_bytes),
                    "layers": [image.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", one) for one in packed]}
        if edit:
            edit(manifest)
        manifest_bytes = json.dumps(manifest).encode()
        for data in (*packed, config_bytes, manifest_bytes):
            self.blobs[image.digest(data)] = data
        if answer:
            self.answers[image.digest(packed[-1])] = answer
        self.tags[name] = image.digest(manifest_bytes)
        return f"{self.host}/{name}"
