"""Stands before a registry and spoils some of its answers: cuts, delays, other statuses, other lengths, other bytes.

`with RegistryProxy(registry.host) as proxy: proxy.spoil("GET", "/blobs/", cut=1000)`; `proxy.requests` has (method, path, headers in lower case).
"""
import dataclasses
import http.client
import http.server
import re
import threading
import time
import typing

from .served import Served


@dataclasses.dataclass
class Rule:
    method: str
    pattern: str                # searched in the path
    least_body: int = 0         # bytes that the request's body has at least
    times: int = 1              # how often it holds; -1: always
    status: int = 0             # answered in place of the registry
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    cut: int = -1               # the connection breaks after so many bytes of the answer's body
    cut_request: int = -1       # and of the request's
    delay: float = 0            # seconds before the answer
    edit: typing.Callable = None  # of the answer's body; its length is then what it is


class RegistryProxy(Served):
    def __init__(self, upstream):
        self.rules, self.requests = [], []
        self.now, self.most_at_once = 0, 0  # requests for blobs
        proxy, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def rule(self):
                with lock:
                    proxy.requests.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
                    for rule in proxy.rules:
                        if rule.method == self.command and re.search(rule.pattern, self.path) and rule.times != 0 and int(self.headers.get("Content-Length") or 0) >= rule.least_body:
                            rule.times -= 1
                            return rule
                return Rule("", "")

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def do(self):
                counts = self.command == "GET" and "/blobs/" in self.path
                with lock:
                    proxy.now += counts
                    proxy.most_at_once = max(proxy.most_at_once, proxy.now)
                try:
                    self.forward()
                finally:
                    with lock:
                        proxy.now -= counts

            def forward(self):
                rule, length = self.rule(), int(self.headers.get("Content-Length") or 0)
                if rule.cut_request >= 0:
                    self.rfile.read(min(rule.cut_request, length))
                    self.close_connection = True
                    return
                body = self.rfile.read(length)
                time.sleep(rule.delay)
                if rule.status:
                    return self.answer(rule.status, rule.headers, rule.body, rule)
                connection = http.client.HTTPConnection(upstream)
                connection.request(self.command, self.path, body, {key: value for key, value in self.headers.items() if key.lower() not in ("connection", "expect")})
                got = connection.getresponse()
                data = got.read()
                connection.close()
                if rule.edit:
                    data = rule.edit(data)
                self.answer(got.status, {key: value for key, value in got.getheaders() if key.lower() not in ("connection", "transfer-encoding", "date", "content-length")}
                            | ({"Content-Length": got.headers["Content-Length"]} if self.command == "HEAD" and "Content-Length" in got.headers else {}), data, rule)

            def answer(self, status, headers, data, rule):
                self.send_response_only(status)
                for key, value in ({"Content-Length": len(data)} | headers).items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(data if rule.cut < 0 else data[:rule.cut])
                if rule.cut >= 0:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def spoil(self, method, pattern, **what):
        self.rules.append(Rule(method, pattern, **what))

    def fresh(self):
        """Forgets rules and requests."""
        self.rules, self.requests = [], []

    def asked(self, method, pattern):
        """Paths of the requests so far."""
        return [path for command, path, _ in self.requests if command == method and re.search(pattern, path)]
