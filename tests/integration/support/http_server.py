"""A web server whose answers a test writes, with TLS by an authority of its own if wanted.

`with HttpServer() as web: web.files["/f"] = File(b"…", etag='"1"')`; `web.requests` has (method, path, headers in lower case) of each request.
"""
import dataclasses
import http.server
import os
import ssl
import subprocess

from . import machine
from .served import Served


def serve_tls(server):
    """Lets `server` speak TLS as localhost; the path of the authority that says so."""
    where = machine.scratch("tls")
    authority, key, pair = (os.path.join(where, name) for name in ("ca.pem", "key.pem", "pair.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", authority], check=True, capture_output=True)
    with open(pair, "w") as file:
        for part in (key, authority):
            with open(part) as source:
                file.write(source.read())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return authority


@dataclasses.dataclass
class File:
    data: bytes = b""
    status: int = 200
    etag: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    cut: int = 0           # the connection breaks after so many bytes of each answer
    length: int = -1       # what Content-Length says instead of the truth
    endless: bool = False  # bytes without an end and without a length
    needs: str = ""        # the Authorization that has to come


class HttpServer(Served):
    def __init__(self, tls=False):
        self.files, self.requests = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                web.requests.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
                file = web.files.get(self.path.partition("?")[0])
                try:
                    self.answer(File(status=404) if file is None else file)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def answer(self, file):
                status, data, headers = file.status, file.data, dict(file.headers)
                if file.needs and self.headers.get("Authorization") != file.needs:
                    status, data = 401, b"who are you"
                elif file.etag:
                    headers["ETag"] = file.etag
                    if file.etag in self.headers.get("If-None-Match", "").split(", "):
                        status, data = 304, b""
                begin = self.headers.get("Range", "")
                if status == 200 and begin and self.headers.get("If-Range") == file.etag:
                    offset = int(begin[len("bytes="):-1])
                    headers["Content-Range"] = f"bytes {offset}-{len(data) - 1}/{len(data)}"
                    status, data = 206, data[offset:]
                self.send_response(status)
                if not file.endless:
                    headers["Content-Length"] = str(file.length if file.length >= 0 else len(data))
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                while file.endless:
                    self.wfile.write(b"\0" * 65536)
                self.wfile.write(data[:file.cut] if file.cut else data)
                if file.cut or file.length >= 0:
                    self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.authority = None
        if tls:
            self.authority = serve_tls(self.server)
        self.host = f"{'localhost' if tls else '127.0.0.1'}:{self.server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def asked(self, path=""):
        """Methods of the requests so far, of one path or of all."""
        return [method for method, target, _ in self.requests if not path or target == path]
