"""Blobs of registries and of clients' stores as files, and repositories in them as bundles, with both users' daemons.

Rows: each test names those it shows.
"""
import hashlib
import os
import subprocess
import urllib.request

from support.api import Graph
from support.case import Case
from support.daemon import Daemon
from support.git_server import GitServer


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Blobs(Case):
    def push(self, data, repository="blobs"):
        """The blob as a source's identifier, from the registry."""
        base = f"http://{self.registry.host}"
        with urllib.request.urlopen(urllib.request.Request(f"{base}/v2/{repository}/blobs/uploads/", method="POST")) as answer:
            where = answer.headers["Location"]
        where = where if where.startswith("http") else base + where
        urllib.request.urlopen(urllib.request.Request(where + ("&" if "?" in where else "?") + "digest=" + digest(data), data=data, method="PUT",
                                                      headers={"Content-Type": "application/octet-stream"})).close()
        return f"docker-image+blob://{self.registry.host}/{repository}@{digest(data)}"

    def store(self, daemon, *blobs):
        """A content store of the client that has the blobs."""
        return daemon.context({"oci-layout": '{"imageLayoutVersion":"1.0.0"}', "index.json": '{"schemaVersion":2,"manifests":[]}',
                               **{"blobs/sha256/" + digest(data)[7:]: data for data in blobs}})

    def solve(self, daemon, identifier, *args, check=True, **attrs):
        graph = Graph()
        source = graph.source(identifier, **attrs)
        out = daemon.out("files")
        self.last = daemon.buildctl("build", "--progress=plain", "--output", f"type=local,dest={out}", *args, check=check, stdin=graph.definition(source).SerializeToString())
        return out

    def read(self, directory, name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    def test_registry(self):
        """SRC-018: names and modes; the second build asks nobody; a blob that is not there is named."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                data = os.urandom(5 << 20)
                blob = self.push(data)
                out = self.solve(daemon, blob)
                self.assertEqual(self.read(out, digest(data)[7:]), data)
                self.assertEqual(os.stat(os.path.join(out, digest(data)[7:])).st_mode & 0o7777, 0o600)
                for _ in range(2):
                    out = self.solve(daemon, blob, http_filename="../f", http_perm="0751")
                    self.assertEqual((os.listdir(out), os.stat(out + "/f").st_mode & 0o7777, os.stat(out + "/f").st_mtime), (["f"], 0o751, 0))
                self.assertIn("CACHED", self.last.err)
                missing = digest(b"missing")
                self.solve(daemon, f"docker-image+blob://{self.registry.host}/blobs@{missing}", check=False)
                self.assertIn(f"blobs@{missing}: not found", self.last.err)

    def test_store_of_the_client(self):
        """SRC-018, SRC-020: from the store that is named; what it hands out is checked."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                data = os.urandom(1 << 20)
                store = self.store(daemon, data)
                named = {"oci_store": "st", "http_filename": "f"}
                self.assertEqual(self.read(self.solve(daemon, "oci-layout+blob://any/name@" + digest(data), "--oci-layout", "st=" + store, **named), "f"), data)
                with open(os.path.join(store, "blobs/sha256", digest(b"other")[7:]), "wb") as file:
                    file.write(b"0ther")
                self.solve(daemon, "oci-layout+blob://any/name@" + digest(b"other"), "--oci-layout", "st=" + store, check=False, **named)
                self.assertNotEqual(self.last.returncode, 0)
                self.assertIn(digest(b"other"), self.last.err)
                self.solve(daemon, "oci-layout+blob://any/name@" + digest(data), check=False, http_filename="f")
                self.assertIn("oci-layout blob source requires store id", self.last.err)

    def test_bundles(self):
        """SRC-060, SRC-061: a repository becomes a bundle, and the bundle stands for it when the repository is gone."""
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user) as daemon:
                git.repository("r")
                url, head = git.url("r"), git.shell("r", "git rev-parse HEAD")
                pinned = {"git_fullurl": url, "git_checksum": head}
                bundle = self.read(self.solve(daemon, "git://host/r#main", git_checkoutbundle="true", **pinned), "bundle")
                self.assertEqual(subprocess.run(["git", "bundle", "list-heads", "/dev/stdin"], input=bundle, capture_output=True, cwd="/").stdout.decode(), f"{head} refs/heads/main\n")
                store = self.store(daemon, bundle)
                daemon.buildctl("prune", "--all")
                git.shell("r", "mv .git gone")
                for ref in ("main", head):
                    out = self.solve(daemon, "git://host/r#" + ref, "--oci-layout", "st=" + store, git_bundle="oci-layout+blob://any/name@" + digest(bundle), oci_store="st", **pinned)
                    self.assertEqual(self.read(out, "a"), b"one\n")
                daemon.buildctl("prune", "--all")
                out = self.solve(daemon, "git://host/r#main", git_bundle=self.push(bundle, "bundles"), git_keepgitdir="true", **pinned)
                self.assertEqual(self.read(out, ".git/HEAD").decode(), head + "\n")
                self.solve(daemon, "git://host/r#main", check=False, git_bundle=self.push(b"no bundle", "bundles"), **dict(pinned, git_checksum="f" * 40))
                self.assertIn("failed to inspect git bundle", self.last.err)
                self.assertEqual(os.listdir(os.path.join(daemon.root, "tmp")), [])


if __name__ == "__main__":
    import unittest
    unittest.main()
