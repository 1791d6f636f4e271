"""A small base image from Debian's busybox-static, the same bytes each time, as an OCI layout and in a registry."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import urllib.request

MTIME = 1600000000


def _entry(name, kind=tarfile.DIRTYPE, mode=0o755, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, size, MTIME
    return info


def layer(busybox="/bin/busybox"):
    """The root file system: busybox with its applets, an /etc that names users, the directories that a step mounts on."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("bin", "dev", "etc", "home", "home/builder", "proc", "root", "run", "sys", "usr", "usr/bin", "var"):
            tar.addfile(_entry(name))
        tar.addfile(_entry("tmp", mode=0o1777))
        program = pathlib.Path(busybox).read_bytes()
        tar.addfile(_entry("bin/busybox", tarfile.REGTYPE, 0o755, size=len(program)), io.BytesIO(program))
        for applet in sorted(subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()):
            if applet != "busybox":
                tar.addfile(_entry("bin/" + applet, tarfile.SYMTYPE, 0o777, "busybox"))
        files = {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\n",
            "etc/group": "root:x:0:\nwheel:x:10:builder\nbuilder:x:1000:\n",
        }
        for name, text in files.items():
            tar.addfile(_entry(name, tarfile.REGTYPE, 0o644, size=len(text)), io.BytesIO(text.encode()))
    return out.getvalue()


def blobs(entrypoint=None):
    """(blobs by digest, manifest descriptor) of the image."""
    plain = layer()
    packed = gzip.compress(plain, 6, mtime=0)
    config = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux", "created": "2020-09-13T12:26:40Z",
              "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"]},
              "rootfs": {"type": "layers", "diff_ids": [digest(plain)]}, "history": [{"created": "2020-09-13T12:26:40Z", "created_by": "busybox-static"}]}
    config_bytes = json.dumps(config).encode()
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": descriptor("application/vnd.oci.image.config.v1+json", config_bytes),
                "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)]}
    manifest_bytes = json.dumps(manifest).encode()
    return {digest(b): b for b in (packed, config_bytes, manifest_bytes)}, descriptor(manifest["mediaType"], manifest_bytes)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def write_layout(directory, tag="latest"):
    """Writes an OCI layout and returns the manifest's digest."""
    content, top = blobs()
    base = pathlib.Path(directory)
    (base / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (base / "blobs" / name.replace(":", "/")).write_bytes(data)
    (base / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{**top, "annotations": {"org.opencontainers.image.ref.name": tag}}]}
    (base / "index.json").write_text(json.dumps(index))
    return top["digest"]


def push(host, name, tag="latest", headers=None, content=None):
    """Uploads the image, or another one's blobs, to the registry at `host` and returns the manifest's digest."""
    content, top = content or blobs()

    def send(method, url, data=None, kind="application/octet-stream"):
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind, **(headers or {})})
        with urllib.request.urlopen(request) as answer:
            return answer.headers

    for name_of_blob, data in content.items():
        if name_of_blob == top["digest"]:
            continue
        where = send("POST", f"http://{host}/v2/{name}/blobs/uploads/", b"")["Location"]
        if where.startswith("/"):
            where = f"http://{host}{where}"
        send("PUT", where + ("&" if "?" in where else "?") + "digest=" + name_of_blob, data)
    send("PUT", f"http://{host}/v2/{name}/manifests/{tag}", content[top["digest"]], top["mediaType"])
    return top["digest"]


if __name__ == "__main__":  # image.py DIR: writes the layout there and prints the digest
    print(write_layout(sys.argv[1]))
