"""Repositories made by tests, served over HTTP by git's own CGI program and over git's own protocol."""
import http.server
import os
import subprocess
import threading
import time
import socket

from . import http_server, machine

ENV = {"PATH": machine.PATH, "HOME": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C",
       "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@test", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@test",
       "GIT_AUTHOR_DATE": "1600000000 +0000", "GIT_COMMITTER_DATE": "1600000100 +0000",
       "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "init.defaultBranch", "GIT_CONFIG_VALUE_0": "main",
       "GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready, seconds=10):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise AssertionError("a server of the test does not start")
        time.sleep(0.02)


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

    def __init__(self, tls=False):
        self.tls, self.authority = tls, None
        self.root = machine.scratch("git")
        self.requests, self.authorization, self.cut, self.processes = [], "", 0, []

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        if self.tls:
            self.authority = http_server.serve_tls(self.server)
        self.host = f"{'localhost' if self.tls else '127.0.0.1'}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()
        for process in self.processes:
            process.terminate()
            process.wait(10)

    def url(self, name):
        return f"{'https' if self.tls else 'http'}://{self.host}/{name}/.git"

    def repository(self, name, script="", options=""):
        os.makedirs(os.path.join(self.root, name))
        return self.shell(name, f"git init -q {options} .\necho one >a\nmkdir d\necho inner >d/x\nchmod 755 d/x\ngit add .\ngit commit -qm one\n{script}")

    def shell(self, name, script):
        return subprocess.run(["sh", "-ec", script], cwd=os.path.join(self.root, name), env=ENV, check=True, capture_output=True, text=True).stdout.strip()

    def start(self, *command, env=ENV):
        self.processes.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def start_daemon(self):
        """The address of git's own server."""
        port = free_port()
        self.start("git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--base-path=" + self.root)
        wait_for(lambda: answers(port))
        return f"git://127.0.0.1:{port}"

    def start_ssh(self, owner):
        """A server that lets in one key, and an agent of `owner` that has it: (address, socket of the agent, line for known_hosts)."""
        port, keys = free_port(), machine.scratch("ssh")
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{keys}/{name}"], check=True)
        with open(f"{keys}/config", "w") as config:
            config.write(f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\nStrictModes no\nUsePAM no\n"
                         "PasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n")
        self.start("/usr/sbin/sshd", "-D", "-f", f"{keys}/config")
        agent = machine.scratch("agent", owner) + "/socket"
        self.start(*machine.command_as(owner, ["ssh-agent", "-D", "-a", agent]), env=machine.environment(owner, os.path.dirname(agent), None))
        wait_for(lambda: answers(port) and os.path.exists(agent))
        subprocess.run(["ssh-add", "-q", f"{keys}/user"], env=dict(ENV, SSH_AUTH_SOCK=agent), check=True, stderr=subprocess.DEVNULL)
        with open(f"{keys}/host.pub") as host:
            return f"ssh://root@127.0.0.1:{port}{self.root}", agent, f"[127.0.0.1]:{port} {host.read()}"

    def asked(self):
        """What was asked since the last time, without what it was asked with."""
        out = [f"{method} {path.partition('/.git')[2]}" for method, path, _ in self.requests]
        self.requests.clear()
        return out
