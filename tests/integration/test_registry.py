"""Images come from registries and go to them: credentials through the client's session, tokens, mirrors.

Rows: SRC-001 …, SES auth rows, INF registry rows of order 1.
"""
import base64
import crypt
import json
import os
import urllib.request

from support import image
from support.case import Case
from support.daemon import Daemon
from support.registry import Registry
from support.token_registry import TokenRegistry

NAME, PASSWORD = "tester", "open sesame"


def basic(name=NAME, password=PASSWORD):
    return base64.b64encode(f"{name}:{password}".encode()).decode()


class Credentials(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hashed = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
        cls.closed = Registry(htpasswd=f"{NAME}:{hashed}\n").__enter__()
        cls.addClassCleanup(cls.closed.__exit__, None, None, None)
        image.push(cls.closed.host, "base", headers={"Authorization": "Basic " + basic()})

    def docker_config(self, daemon, config, programs=None):
        """A directory for DOCKER_CONFIG that the daemon's user owns; `programs` are credential helpers in it."""
        path = daemon.context({"config.json": json.dumps(config), **(programs or {})})
        for name in programs or {}:
            os.chmod(os.path.join(path, name), 0o755)
        return path

    def build(self, daemon, host, config=None, programs=None, output="", path=""):
        env = {}
        if config is not None:
            directory = self.docker_config(daemon, config, programs)
            env = {"DOCKER_CONFIG": directory, "PATH": f"{directory}:{daemon.env['PATH']}"}
        return daemon.build({"Dockerfile": f"FROM {host}/base\nRUN echo made > /made\n"}, output, check=False, env=env)

    def test_basic(self):  # INF-001
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                host = self.closed.host
                for config in ({}, {"auths": {host: {"auth": basic(password="wrong")}}}):
                    refused = self.build(daemon, host, config)
                    self.assertNotEqual(refused.returncode, 0)
                    self.assertRegex(refused.err, r"(?i)401 unauthorized|authorization failed|authentication required")
                    self.assertIn(host, refused.err)
                    self.assertNotIn("wrong", refused.err)
                known = {"auths": {host: {"auth": basic()}}}
                name = f"{host}/made-by-{user}:1"
                made = self.build(daemon, host, known, output=f"type=image,name={name},push=true")
                self.assertEqual(made.returncode, 0, made.err)
                request = urllib.request.Request(f"http://{host}/v2/made-by-{user}/manifests/1", headers={"Authorization": "Basic " + basic(), "Accept": "application/vnd.oci.image.manifest.v1+json"})
                with urllib.request.urlopen(request) as answer:
                    self.assertEqual(len(json.load(answer)["layers"]), 2)
                # A push without credentials is refused although the pull's answers are in the cache.
                refused = self.build(daemon, self.registry.host, {}, output=f"type=image,name={host}/other:1,push=true")
                self.assertNotEqual(refused.returncode, 0)
                self.assertRegex(refused.err, r"(?i)401 unauthorized|authorization failed|authentication required")

    def test_credential_helpers(self):
        helper = f"#!/bin/sh\nread -r host\n[ \"$host\" = {self.closed.host} ] || exit 1\necho '{json.dumps({'ServerURL': self.closed.host, 'Username': NAME, 'Secret': PASSWORD})}'\n"
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                for config in ({"credHelpers": {self.closed.host: "tests"}}, {"credsStore": "tests"}):
                    made = self.build(daemon, self.closed.host, config, {"docker-credential-tests": helper})
                    self.assertEqual(made.returncode, 0, made.err)
                    daemon.buildctl("prune")

    def test_tokens(self):  # INF-002
        for user in self.both_users():
            with Daemon(user=user) as daemon, TokenRegistry(NAME, PASSWORD) as registry:
                refused = self.build(daemon, registry.host, {})
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("401", refused.err)
                made = self.build(daemon, registry.host, {"auths": {registry.host: {"auth": basic()}}})
                self.assertEqual(made.returncode, 0, made.err)
                self.assertIn("repository:base:pull", registry.scopes)
                self.assertIn(f"[auth] base:pull token for {registry.host}", made.err)
            with Daemon(user=user) as daemon, TokenRegistry("", "") as registry:
                made = self.build(daemon, registry.host)
                self.assertEqual(made.returncode, 0, made.err)


class Mirrors(Case):
    def test_a_mirror_is_asked_first(self):  # INF-001
        config = f'[registry."images.invalid"]\nmirrors = ["{self.registry.host}"]\n[registry."{self.registry.host}"]\nhttp = true\n'
        for user in self.both_users():
            with Daemon(user=user, config=config) as daemon:
                daemon.build({"Dockerfile": "FROM images.invalid/base\nRUN true\n"})

    def test_what_a_mirror_does_not_have_comes_from_the_registry(self):
        with TokenRegistry("", "") as mirror:
            mirror.content = {}
            config = f'[registry."{self.registry.host}"]\nhttp = true\nmirrors = ["{mirror.host}"]\n[registry."{mirror.host}"]\nhttp = true\n'
            with Daemon(config=config) as daemon:
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
                self.assertTrue(any(path.startswith("/v2/base/manifests/") for path in mirror.requests), mirror.requests)


class Layers(Case):
    def test_layers_of_every_compression_are_pulled(self):
        """What one build pushes packed in some way, the next one starts from (its store emptied in between)."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                for compression in ("gzip", "zstd", "uncompressed"):
                    name = f"{self.registry.host}/packed-{compression}-{user}"
                    daemon.build({"Dockerfile": f"FROM {self.base}\nRUN echo {compression} > /made\n"}, f"type=image,name={name},push=true,compression={compression},force-compression=true,oci-mediatypes=true")
                    daemon.buildctl("prune", "--all")
                    request = urllib.request.Request(f"http://{self.registry.host}/v2/packed-{compression}-{user}/manifests/latest", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
                    with urllib.request.urlopen(request) as answer:
                        kinds = {layer["mediaType"].rpartition(".")[2] for layer in json.load(answer)["layers"]}
                    self.assertEqual(kinds, {"tar" if compression == "uncompressed" else "tar+" + compression})
                    files = daemon.out("files")
                    daemon.build({"Dockerfile": f"FROM {name}\nRUN cp /made /again\n"}, f"type=local,dest={files}")
                    with open(os.path.join(files, "again")) as file:
                        self.assertEqual(file.read(), compression + "\n")
