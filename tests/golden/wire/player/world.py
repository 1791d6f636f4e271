"""The world that the transcripts were taken in: registries and a web server at the recorded addresses, images, a daemon.

Runs in a network namespace of its own (see `play`), so that addresses are the recorded ones whatever else the machine does.
"""
import base64
import crypt
import gzip
import http.client
import http.server
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile
import threading
import urllib.parse

from . import support

OPEN, BASIC, TOKEN, DENIED, WEB = 15055, 15056, 15057, 15058, 15061
CREATED = "2025-01-02T03:04:05Z"
# Lists keys of an agent, as the recorded image's program does: the question, and the answer's name of the key.
AGENTLS = "#!/bin/sh\nexit 127\n"


def base_layer():
    """The recorded root file system; its one program that is not Debian's is a stand-in."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        made = set()

        def add(path, mode, kind=tarfile.REGTYPE, data=b"", link=""):
            parent = os.path.dirname(path)
            if parent and parent not in made:
                add(parent, 0o755, tarfile.DIRTYPE)
            info = tarfile.TarInfo(path)
            info.mode, info.type, info.size, info.linkname, info.mtime = mode & 0o1777, kind, len(data), link, 1735787045
            made.add(path)
            tar.addfile(info, io.BytesIO(data))

        for file in support.FIXTURES["$TMP/base/rootfs"]:
            path = file["path"]
            if file.get("dir"):
                add(path, 0o1777 if path == "tmp" else file["mode"], tarfile.DIRTYPE)
            elif "symlink" in file:
                add(path, 0o777, tarfile.SYMTYPE, link=file["symlink"])
            else:
                data = pathlib.Path("/bin/busybox").read_bytes() if path == "bin/busybox" else file.get("text", AGENTLS).encode()
                add(path, file["mode"], data=data)
    return out.getvalue()


def base_blobs():
    """(blobs by digest, manifest descriptor), with the recorded config but for the layer's digest."""
    plain = base_layer()
    packed = gzip.compress(plain, 1, mtime=0)
    history = [("COPY rootfs / # buildkit", False), ("ENV PATH=/bin", True), ("WORKDIR /", True), ('CMD ["sh"]', True)]
    config = {"created": CREATED, "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [support.image.digest(plain)]},
              "history": [{"created": CREATED, "created_by": line, "comment": "buildkit.dockerfile.v0", **({"empty_layer": True} if empty else {})} for line, empty in history],
              "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "WorkingDir": "/", "ArgsEscaped": True}}
    config_bytes = json.dumps(config, separators=(",", ":")).encode()
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": support.image.descriptor("application/vnd.oci.image.config.v1+json", config_bytes),
                "layers": [support.image.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", packed)]}
    manifest_bytes = json.dumps(manifest).encode()
    return {support.image.digest(one): one for one in (packed, config_bytes, manifest_bytes)}, support.image.descriptor(manifest["mediaType"], manifest_bytes)


class Gate(http.server.BaseHTTPRequestHandler):
    """Before a registry: lets through what has a token for its scope, and names the authority to others."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        if self.path.startswith("/token"):
            return self.token()
        if not self.headers.get("Authorization", "").startswith("Bearer tok-"):
            return self.refuse()
        upstream = http.client.HTTPConnection("127.0.0.1", OPEN, timeout=20)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("authorization", "transfer-encoding", "content-length")}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(key, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do

    def token(self):
        """The authority: everybody gets a token here, at the second port nobody."""
        scope = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).get("scope", [""])[0]
        denied = self.server.server_address[1] == DENIED
        token = {"token": "tok-" + base64.b64encode(scope.encode()).decode().rstrip("="), "expires_in": 300, "issued_at": CREATED}
        data = b"" if denied else json.dumps(token).encode()
        self.send_response(404 if self.command == "POST" else 401 if denied else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self):
        found = re.match(r"/v2/(.+?)/(?:manifests|blobs|tags)/", self.path)
        actions = "pull" if self.command in ("GET", "HEAD") else "pull,push"
        scope = f',scope="repository:{found[1]}:{actions}"' if found else ""
        port = self.server.server_address[1]
        self.send_response(401)
        self.send_header("WWW-Authenticate", f'Bearer realm="http://localhost:{port}/token",service="wire.test"{scope}')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data


def serve_gates():
    """For as long as the program runs."""
    for port in (TOKEN, DENIED):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Gate)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()


class World:
    """Servers for as long as the program runs; a daemon that can be started anew."""

    def __init__(self):
        self.daemon = None
        hashed = crypt.crypt("wirepass", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
        self.registries = [support.registry.Registry(port=OPEN).__enter__(), support.registry.Registry(port=BASIC, htpasswd=f"wireuser:{hashed}\n").__enter__()]
        self.base, self.base_top = base_blobs()
        for name in ("base", "alias"):
            self.push(f"wire/{name}", "1")
        self.web()

    def push(self, name, tag):
        support.image.push(f"127.0.0.1:{OPEN}", name, tag, content=(self.base, self.base_top))

    def web(self):
        git = support.git_server.GitServer()
        os.makedirs(os.path.join(git.root, "git/repo"))
        for file in support.FIXTURES["$TMP/work38"]:
            path = pathlib.Path(git.root, "git/repo", file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["text"])
        git.shell("git/repo", "git init -q .\ngit add .\ngit commit -qm one")
        subprocess.run(["git", "clone", "-q", "--bare", os.path.join(git.root, "git/repo"), os.path.join(git.root, "git/repo.git")], env=support.git_server.ENV, check=True)
        files = {"/ctx.tar": support.tar_of("$TMP/tarctx"), "/f.bin": b"f.bin\n"}

        class Handler(support.git_server._Handler):
            def do_GET(self):
                data = files.get(self.path)
                if data is None:
                    return super().do_GET()
                return self.answer(200, {"ETag": '"1"'}, b"" if self.command == "HEAD" else data)

            do_POST = do_HEAD = do_GET

        server = http.server.ThreadingHTTPServer(("127.0.0.1", WEB), Handler)
        server.daemon_threads, server.owner = True, git
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def start(self, root=""):
        self.daemon = support.daemon.Daemon(root=root, check_leaks=False, flags=["--oci-worker-labels", "wire.label=yes", "--allow-insecure-entitlement", "network.host"])
        self.daemon.start()
        return self.daemon

    def stop(self):
        if self.daemon is not None:
            self.daemon.stop()
            self.daemon = None

    def close(self):
        self.stop()
        for one in self.registries:
            one.__exit__()
