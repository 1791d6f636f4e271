"""Registries that break off, are overloaded or lie.

Rows: INF-001, INF-004, INF-006; lines 42 and 43 of the hostile list.
"""
import os

from support import image
from support.case import Case
from support.daemon import Daemon
from support.registry_proxy import RegistryProxy

CONTENT, _ = image.blobs()
LAYER, SIZE = max(((digest, len(data)) for digest, data in CONTENT.items()), key=lambda entry: entry[1])
GET_LAYER = "/blobs/" + LAYER


class Faults(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = RegistryProxy(cls.registry.host).__enter__()
        cls.addClassCleanup(cls.proxy.__exit__, None, None, None)

    def setUp(self):
        self.proxy.fresh()

    def pull(self, daemon, check=True):
        daemon.buildctl("prune", "--all")
        return daemon.build({"Dockerfile": f"FROM {self.proxy.host}/base\nRUN true\n"}, check=check)

    def test_pulls_that_break_off_are_continued(self):
        for user in self.both_users():
            self.proxy.fresh()
            with Daemon(user=user) as daemon:
                self.proxy.spoil("GET", GET_LAYER, cut=SIZE // 3)
                self.proxy.spoil("GET", GET_LAYER, cut=SIZE // 3)
                made = self.pull(daemon)
                ranges = [headers.get("range") for method, path, headers in self.proxy.requests if method == "GET" and path.endswith(LAYER)]
                self.assertEqual(ranges, [None, f"bytes={SIZE // 3}-", f"bytes={SIZE // 3 * 2}-"])
                self.assertIn("retrying in 1s", made.err)

    def test_overloaded(self):
        for user in self.both_users():
            self.proxy.fresh()
            with Daemon(user=user) as daemon:
                self.proxy.spoil("HEAD", "/manifests/", status=429, headers={"Retry-After": "1"})
                self.proxy.spoil("GET", "/manifests/", status=500)
                self.proxy.spoil("GET", GET_LAYER, status=503, headers={"Retry-After": "0"}, times=3)
                made = self.pull(daemon)
                self.assertIn("429 Too Many Requests", made.err)
                self.assertIn("503 Service Unavailable", made.err)
                self.proxy.spoil("GET", GET_LAYER, status=429, headers={"Retry-After": "1000"}, body=b'{"errors":[{"code":"TOOMANYREQUESTS","message":"you have had enough"}]}', times=-1)
                refused = self.pull(daemon, check=False)
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("you have had enough", refused.err)
                self.assertIn("come back in 16m40s", refused.err)

    def test_lies(self):
        flip = lambda data: data[:-1] + bytes([data[-1] ^ 1])
        for user in self.both_users():
            self.proxy.fresh()
            with Daemon(user=user) as daemon:
                self.proxy.spoil("GET", GET_LAYER, edit=flip)
                self.pull(daemon)
                for edit in (flip, lambda data: data + b"x", lambda data: data[:-1]):
                    self.proxy.fresh()
                    self.proxy.spoil("GET", GET_LAYER, edit=edit, times=-1)
                    refused = self.pull(daemon, check=False)
                    self.assertNotEqual(refused.returncode, 0)
                    self.assertIn(LAYER, refused.err)
                    self.assertFalse(os.path.exists(os.path.join(daemon.root, "content/blobs/sha256", LAYER[7:])))

    def test_pushes_that_break_off_are_begun_anew(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                for number, what in enumerate(({"cut_request": 1000}, {"status": 500}, {"status": 400}, {"status": 413})):
                    self.proxy.fresh()
                    # The layer's: a config is too small to be sent in pieces, and the two uploads race.
                    self.proxy.spoil("PUT", "/blobs/uploads/", least_body=100_000, **what)
                    daemon.build({"Dockerfile": f"FROM scratch\nCOPY f /f{number}\n", "f": os.urandom(700_000).hex()}, f"type=image,name={self.proxy.host}/again-{user}:{number},push=true")
                    if "status" in what and what["status"] == 413:
                        self.assertTrue(self.proxy.asked("PATCH", "/blobs/uploads/"))

    def test_a_registry_without_answers_is_named(self):
        with Daemon() as daemon:
            self.proxy.spoil("GET", GET_LAYER, status=403, body=b'{"errors":[{"code":"DENIED","message":"not today"}]}', times=-1)
            refused = self.pull(daemon, check=False)
            self.assertIn("403 Forbidden: denied: not today", refused.err)


class Mirrors(Case):
    def test_a_mirror_that_breaks_off_or_lies(self):  # INF-001
        for user in self.both_users():
            with RegistryProxy(self.registry.host) as mirror:
                with Daemon(user=user, config=f'[registry."{self.registry.host}"]\nmirrors = ["127.0.0.1:1", "{mirror.host}"]\n') as daemon:
                    for what in ({"cut": 5000}, {"status": 500}, {"edit": lambda data: b"x" * len(data)}):
                        mirror.fresh()
                        mirror.spoil("GET", GET_LAYER, times=-1, **what)
                        daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
                        daemon.buildctl("prune", "--all")
                        self.assertTrue(mirror.asked("GET", "ns="))
