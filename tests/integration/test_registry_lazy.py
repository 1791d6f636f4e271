"""What is moved, and what is not: layers that nothing needs, blobs that are there already, how much at a time.

Rows: SRC-012, EXP-031, INF-005, INF-006, DMN-067.
"""
import base64
import crypt
import json
import os
import pathlib
import re

from support import image
from support.case import Case
from support.daemon import Daemon
from support.registry import Registry
from support.registry_proxy import RegistryProxy

CONTENT, _ = image.blobs()
LAYER = max(CONTENT, key=lambda digest: len(CONTENT[digest]))
GET_LAYER = "/blobs/" + LAYER


class Lazy(Case):
    """Layers stay where they are until something needs them (SRC-012, EXP-031)."""

    def test_nothing_is_fetched_that_nothing_needs(self):
        for user in self.both_users():
            with RegistryProxy(self.registry.host) as proxy, Daemon(user=user) as daemon:
                base, layers = f"{proxy.host}/base", lambda: proxy.asked("GET", GET_LAYER)
                daemon.build({"Dockerfile": f"FROM {base}\nENV A=b\n"})
                daemon.build({"Dockerfile": f"FROM {base}\nENV A=b\n"}, f"type=image,name={proxy.host}/renamed-{user}:1,push=true")
                self.assertEqual(layers(), [])
                self.assertEqual(len(proxy.asked("POST", "mount=" + LAYER)), 1)
                self.assertEqual(len(proxy.asked("PUT", "/blobs/")), 1)  # the config
                proxy.fresh()
                made = daemon.build({"Dockerfile": f"FROM {base}\nCOPY --link f /\n", "f": "new"}, f"type=image,name={proxy.host}/linked-{user}:1,push=true")
                self.assertEqual(layers(), [], made.err)
                files = daemon.out("files")
                daemon.build({"Dockerfile": f"FROM {proxy.host}/linked-{user}:1\n"}, f"type=local,dest={files}")
                self.assertEqual(len(layers()), 1)
                self.assertTrue(os.path.exists(os.path.join(files, "bin/busybox")))

    def test_a_push_of_what_is_there_moves_nothing(self):  # INF-006
        with RegistryProxy(self.registry.host) as proxy, Daemon() as daemon:
            output = f'type=image,"name={proxy.host}/tags:1,{proxy.host}/tags:2,{proxy.host}/other:1",push=true'
            source = {"Dockerfile": f"FROM {proxy.host}/base\nRUN echo a > /a\nRUN echo b > /b\n"}
            made = daemon.build(source, output)
            self.assertEqual(len(proxy.asked("PUT", "/tags/blobs/")), 3)  # two layers and the config: the base is mounted
            self.assertEqual(len(proxy.asked("POST", "/other/.*mount=")), 3)
            self.assertEqual(len(proxy.asked("PUT", "/other/blobs/")), 1)  # configs are not noted
            self.assertEqual(len(proxy.asked("PUT", "/tags/manifests/[12]$")), 2)
            self.assertIn("pushing manifest for " + proxy.host + "/tags:2@sha256:", made.err)
            proxy.fresh()
            daemon.build(source, output)
            self.assertEqual({method for method, path, _ in proxy.requests if "/base/" not in path}, {"HEAD"})

    def test_places_of_blobs_are_known_after_a_restart(self):
        with RegistryProxy(self.registry.host) as proxy:
            root = ""
            for number in range(2):
                daemon = Daemon(root=root)
                root = daemon.root
                with daemon:
                    daemon.build({"Dockerfile": f"FROM {proxy.host}/base\nRUN echo restarted > /a\n"}, f"type=image,name={proxy.host}/restarted:{number},push=true" if number else "")
            self.assertEqual(len(proxy.asked("POST", "/restarted/.*mount=" + LAYER)), 1)
            self.assertEqual(len(proxy.asked("GET", GET_LAYER)), 1)


class Limits(Case):
    def test_transfers_at_a_time(self):  # INF-005, DMN-067
        with Daemon(check_leaks=False) as daemon:
            daemon.build({"Dockerfile": "FROM scratch\n" + "".join(f"COPY f /{n}\n" for n in range(6)), "f": "x"}, f"type=image,name={self.registry.host}/many:1,push=true")
        for config, most in (("", 4), ("[system]\nmaxRegistryConcurrency = 2\n", 2)):
            with RegistryProxy(self.registry.host) as proxy, Daemon(config=config) as daemon:
                proxy.spoil("GET", "/blobs/", times=-1, delay=0.2)
                daemon.build({"Dockerfile": f"FROM {proxy.host}/many:1\nCOPY g /\n", "g": "y"})
                self.assertGreaterEqual(len(proxy.asked("GET", "/blobs/")), 7)
                self.assertLessEqual(proxy.most_at_once, most + 1)
                self.assertGreaterEqual(proxy.most_at_once, most)


class DebugLog(Case):
    def test_requests_are_logged_without_secrets(self):
        secret = "hunter two"
        hashed = crypt.crypt(secret, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
        with Registry(htpasswd=f"tester:{hashed}\n") as closed, Daemon(flags=["--debug"]) as daemon:
            auth = base64.b64encode(f"tester:{secret}".encode()).decode()
            directory = daemon.context({"config.json": json.dumps({"auths": {closed.host: {"auth": auth}}})})
            daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"}, f"type=image,name={closed.host}/logged:1,push=true", env={"DOCKER_CONFIG": directory})
            log = pathlib.Path(daemon.log_path).read_text()
            lines = [line for line in log.splitlines() if "http request" in line]
            for line in lines:
                self.assertRegex(line, r"method=(HEAD|GET|POST|PUT) .*url=.*status=\d+")
                self.assertRegex(line, r"ms=\d+")
            self.assertTrue(any(re.search(r"PUT .*/v2/logged/blobs/uploads/", line) for line in lines), lines)
            for text in (secret, auth, "_state", "digest="):
                self.assertNotIn(text, log)
