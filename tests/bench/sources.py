"""Where code comes from, beside the plain tool in the same run: a repository with git, a file with curl and sha256sum."""
import os
import pathlib
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import machine
from support.api import Graph
from support.git_server import GitServer


def bare(daemon, script):
    """Milliseconds of a script as the daemon's user, in a directory of its own on the daemon's disk."""
    where = machine.scratch("bare", daemon.user)
    argv = machine.command_as(daemon.user, ["sh", "-ec", script])
    begin = time.perf_counter()
    subprocess.run(argv, env=dict(daemon.env, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1"), cwd=where, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    took = (time.perf_counter() - begin) * 1000
    shutil.rmtree(where)
    return took


def fetched(daemon, identifier, **attrs):
    """Milliseconds of a build that is one source, nothing of it known before and nothing sent to the client."""
    graph = Graph()
    path = os.path.join(machine.scratch("graph"), "definition")
    pathlib.Path(path).write_bytes(graph.definition(graph.source(identifier, **attrs)).SerializeToString())
    daemon.buildctl("prune", "--all")
    with open(path, "rb") as definition:
        return daemon.timed(daemon.client("build", "--progress=plain"), stdin=definition)


def compare(setting, what, unit, factor, plain, ours):
    """Ours may take `factor` times what the plain tool takes; they take turns."""
    per = 1000 if unit == "s" else 1
    for user, daemon in setting.each():
        with daemon:
            samples = [(plain(daemon) / per, ours(daemon) / per) for _ in range(setting.repeats)]
        limit = setting.table.add(f"{what}: plain tool", user, "bare", [one for one, _ in samples], unit)
        setting.table.add(what, user, daemon.what, [one for _, one in samples], unit, limit * factor)


def git(setting):
    """A repository of many small files over git's own protocol: the commit fetched and written as a tree."""
    count = 2000 if setting.quick else 20_000
    with GitServer() as server:
        server.repository("r")
        for number in range(count):
            path = pathlib.Path(server.root, "r", f"dir{number // 100}", f"file{number}")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{number} is a line of text\n" * 64)
        server.shell("r", "git add .\ngit commit -qm many\ngit repack -adq")
        url = server.start_daemon() + "/r"
        plain = f"git init -q --bare r\ngit -C r fetch -q --depth=1 {url} main\nmkdir tree\ngit --git-dir=r --work-tree=tree checkout -q FETCH_HEAD -- .\n"
        compare(setting, f"git source of {count:,} files", "ms", 1.3, lambda daemon: bare(daemon, plain), lambda daemon: fetched(daemon, "git://host/r#main", git_fullurl=url))


class FileHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        with open(self.server.path, "rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(os.path.getsize(self.server.path)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command == "GET":
                self.connection.sendfile(file)

    do_HEAD = do_GET


def http(setting):
    """One large file from a server on loopback, hashed and kept."""
    megabytes = 100 if setting.quick else 1000
    server = ThreadingHTTPServer(("127.0.0.1", 0), FileHandler)
    server.daemon_threads = True
    server.path = os.path.join(machine.scratch("web"), "file")
    with open(server.path, "wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1_000_000))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/file"
    try:
        compare(setting, f"HTTP source of {megabytes} MB", "ms", 1.2, lambda daemon: bare(daemon, f"curl -sSfo file {url}\nsha256sum file\n"), lambda daemon: fetched(daemon, url))
    finally:
        server.shutdown()
        server.server_close()
        os.remove(server.path)
