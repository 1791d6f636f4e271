"""A registry that hands out bearer tokens: one image to pull, for those who know a name and password (or for everybody)."""
import base64
import http.server
import json
import urllib.parse

from . import image
from .served import Served


class TokenRegistry(Served):
    """`tokens`: the URL of another one's token server, in place of its own; `tls`: an ssl.SSLContext."""

    def __init__(self, name, password, tokens="", tls=None):
        self.content, self.top = image.blobs()
        self.credentials = f"{name}:{password}" if name else ""
        self.scopes, self.requests = [], []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, code, data=b"", **headers):
                self.send_response(code)
                for key, value in {"Content-Length": len(data), **headers}.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(404)  # clients go on with GET

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                registry.requests.append(self.path)
                url = urllib.parse.urlparse(self.path)
                if url.path == "/token":
                    return self.token(urllib.parse.parse_qs(url.query))
                if self.headers.get("Authorization") != "Bearer let-me-in":
                    repository = "/".join(url.path.split("/")[2:-2])
                    scope = f',scope="repository:{repository}:pull"' if repository else ""
                    return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
                                       WWW_Authenticate=f'Bearer realm="{registry.tokens}",service="tests"{scope}', Content_Type="application/json")
                reference = url.path.rpartition("/")[2]
                digest = registry.top["digest"] if reference == "latest" else reference
                data = registry.content.get(digest)
                if data is None:
                    return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}')
                kind = registry.top["mediaType"] if "/manifests/" in url.path else "application/octet-stream"
                self.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest)

            def token(self, query):
                registry.scopes += query.get("scope", [])
                given = self.headers.get("Authorization", "")
                if registry.credentials and given != "Basic " + base64.b64encode(registry.credentials.encode()).decode():
                    return self.answer(401, b'{"details":"wrong name or password"}')
                self.answer(200, json.dumps({"token": "let-me-in", "expires_in": 300}).encode(), Content_Type="application/json")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.tokens = tokens or f"{'https' if tls else 'http'}://{self.host}/token"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
