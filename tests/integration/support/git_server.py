"""Repositories made by tests, served over HTTP by git's own CGI program and over git's own protocol."""
import http.server
import os
import subprocess
import threading
import time
import socket

from . import machine

ENV = {"PATH": machine.PATH, "HOME": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C",
       "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@test",
       "GIT_AUTHOR_DATE": "1600000000 +0000", "GIT_COMMITTER_DATE": "1600000100 +0000",
       "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "init.defaultBranch", "GIT_CONFIG_VALUE_0": "main",
       "GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        owner = self.server.owner
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        owner.requests.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
        if owner.authorization and self.headers.get("Authorization") != owner.authorization:
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        env = dict(ENV, GIT_PROJECT_ROOT=owner.root, GIT_HTTP_EXPORT_ALL="1", REMOTE_ADDR="127.0.0.1", REQUEST_METHOD=self.command, PATH_INFO=path, QUERY_STRING=query,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)), HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        out = subprocess.run(["/usr/lib/git-core/git-http-backend"], env=env, input=body, capture_output=True).stdout
        head, _, data = out.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n") if b": " in line)
        if owner.cut and self.command == "POST":
            owner.cut -= 1
            self.answer(200, dict(headers, **{"Content-Length": str(len(data))}), data[: len(data) // 2])
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        self.answer(int(headers.pop("Status", "200").split()[0]), headers, data)

    do_POST = do_GET

    def chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def answer(self, status, headers, data):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


class GitServer:
    """`with GitServer() as git:` `git.shell("r", "git commit …")`; `git.url("r")`."""

    def __init__(self):
        self.root = machine.scratch("git")
        self.requests, self.authorization, self.cut, self.daemon = [], "", 0, None

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(10)

    def url(self, name):
        return f"http://{self.host}/{name}/.git"

    def repository(self, name, script="", options=""):
        os.makedirs(os.path.join(self.root, name))
        return self.shell(name, f"git init -q {options} .\necho one >a\nmkdir d\necho inner >d/x\nchmod 755 d/x\ngit add .\ngit commit -qm one\n{script}")

    def shell(self, name, script):
        return subprocess.run(["sh", "-ec", script], cwd=os.path.join(self.root, name), env=ENV, check=True, capture_output=True, text=True).stdout.strip()

    def start_daemon(self):
        """The address of git's own server."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.daemon = subprocess.Popen(["git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--base-path=" + self.root], env=ENV,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        return f"git://127.0.0.1:{port}"

    def asked(self):
        """What was asked since the last time, without what it was asked with."""
        out = [f"{method} {path.partition('/.git')[2]}" for method, path, _ in self.requests]
        self.requests.clear()
        return out
