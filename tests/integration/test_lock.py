"""Lock files and builds without connections: both users' daemons with a registry, git over HTTP and a web server, which change and stop.

No row of the features: no peer has it. docs/lock.md.
"""
import json
import os

from support import image
from support.api import Graph
from support.case import Case, ran
from support.daemon import Daemon
from support.git_server import GitServer
from support.http_server import File, HttpServer


class Lock(Case):
    def each(self):
        for user in self.both_users():
            with GitServer() as git, HttpServer() as web, Daemon(user=user) as daemon:
                git.repository("r")
                web.files["/f"] = File(b"first")  # without an ETag
                self.name = f"{self.registry.host}/lock-{user}"
                image.push(self.registry.host, f"lock-{user}")
                self.dockerfile = f"FROM {self.name}\nADD {git.url('r')}#main /r\nADD {web.url}/f /f\nRUN cat /r/a /f > /out\n"
                yield daemon, git, web

    def build(self, daemon, lock="", *flags, dockerfile=None, check=True):
        extra = (["--lock", lock] if lock else []) + list(flags)
        return daemon.build({"Dockerfile": dockerfile or self.dockerfile}, extra=extra, check=check)

    def failed(self, daemon, *args, **options):
        done = self.build(daemon, *args, check=False, **options)
        self.assertNotEqual(done.returncode, 0)
        return done.err

    def sources(self, path):
        with open(path) as file:
            lock = json.load(file)
        self.assertEqual(lock["version"], 1)
        names = [source["source"] for source in lock["sources"]]
        self.assertEqual(names, sorted(names))
        return {source["source"]: source for source in lock["sources"]}

    def test_locked(self):
        """Written once and the same again; kept to; a changed source and an unnamed one are named with both values; no file for a failed build."""
        for daemon, git, web in self.each():
            lock = daemon.out("lock.json")
            self.build(daemon, lock)
            with open(lock) as file:
                text = file.read()
            sources = self.sources(lock)
            self.assertEqual(len(sources), 3)
            (base,) = [source for name, source in sources.items() if name.startswith("docker-image://")]
            self.assertRegex(base["resolved"], "^sha256:[0-9a-f]{64}$")
            self.assertEqual(len(base["platforms"]), 1)
            (commit,) = [source["resolved"] for name, source in sources.items() if name.startswith("git://")]
            self.assertEqual(commit, git.shell("r", "git rev-parse main"))
            self.build(daemon, lock)
            with open(lock) as file:
                self.assertEqual(file.read(), text)
            self.build(daemon, lock, "--locked")
            unnamed = self.failed(daemon, lock, "--locked", dockerfile=self.dockerfile + f"ADD {web.url}/g /g\n")
            self.assertIn(f"source \"{web.url}/g\" is not in the lock file (build without --locked to add it)", unnamed)
            git.shell("r", "echo two >a\ngit commit -qam two")
            web.files["/f"] = File(b"second")
            changed = self.failed(daemon, lock, "--locked")
            self.assertIn("2 sources are not as they should be:", changed)
            self.assertIn(f"resolved to {git.shell('r', 'git rev-parse main')}, the lock file says {commit}", changed)
            self.assertIn(f"the lock file says {sources[web.url + '/f']['resolved']}", changed)
            self.assertEqual(ran(changed), [])
            other = daemon.out("other.json")
            self.failed(daemon, other, dockerfile=f"FROM {self.name}\nRUN false\n")
            self.assertFalse(os.path.exists(other))
            self.assertIn("--locked needs the lock file", self.failed(daemon, "", "--locked"))

    def test_offline(self):
        """Everything here: built without a question to any server, with the web server and git gone, after a restart too; otherwise all that is missing is named and no step runs."""
        for daemon, git, web in self.each():
            lock = daemon.out("lock.json")
            self.build(daemon, lock)
            self.build(daemon)
            daemon.stop()
            daemon.start()
            git.asked()
            web.requests.clear()
            web.server.shutdown()
            web.server.server_close()
            git.server.shutdown()
            git.server.server_close()
            self.build(daemon, "", "--offline", "--no-cache")
            self.build(daemon, lock, "--locked", "--offline")
            self.assertEqual((git.asked(), list(web.requests)), ([], []))
            missing = self.failed(daemon, "", "--offline", dockerfile=f"FROM {self.name} AS a\nRUN echo ran\nFROM {self.registry.host}/nobody\nCOPY --from=a / /a\n"
                                                                       f"ADD {git.url('r')}#other /r\nADD {web.url}/g /g\n")
            self.assertIn("3 sources are not as they should be:", missing)
            for name in ("/nobody", "/r", "/g"):
                self.assertRegex(missing, f"source \".*{name}.*\" is not on this machine: ")
            self.assertEqual(ran(missing), [])
            push = daemon.build({"Dockerfile": self.dockerfile}, f"type=image,name={self.registry.host}/x,push=true", extra=["--offline"], check=False)
            self.assertIn("offline: exporter image cannot push", push.err)

    def test_llb(self):
        """Definitions without a frontend are held to the same."""
        for daemon, git, web in self.each():
            lock = daemon.out("lock.json")
            graph = Graph()
            definition = graph.definition(graph.source(f"{web.url}/f")).SerializeToString()
            daemon.buildctl("build", "--lock", lock, stdin=definition)
            self.assertEqual(list(self.sources(lock)), [f"{web.url}/f"])
            daemon.buildctl("build", "--lock", lock, "--locked", "--offline", stdin=definition)
            web.files["/f"] = File(b"second")
            changed = daemon.buildctl("build", "--lock", lock, "--locked", stdin=definition, check=False)
            self.assertIn("the lock file says", changed.err)
