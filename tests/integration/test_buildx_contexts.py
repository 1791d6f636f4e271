"""docker-buildx build: contexts and named contexts of every kind; ssh agents."""
import io
import tarfile
import unittest

from support.buildx import BuildxCase
from support.git_server import GitServer
from support.http_server import File, HttpServer

NAMED = "FROM scratch\nCOPY --from=more /x /x\nCOPY own /own\n"
MORE = {"Dockerfile": "FROM scratch\nCOPY x /x\n", "x": "more"}


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class BuildxContexts(BuildxCase):
    def test_named_contexts(self):
        for daemon in self.each():
            more, context, layout = daemon.context(MORE), daemon.context({"Dockerfile": NAMED, "own": "own"}), daemon.out("layout")
            name = f"{self.registry.host}/more:{daemon.user}"
            self.build(daemon, "-o", f"type=oci,dest={layout},tar=false", more)
            self.build(daemon, "--push", "-t", name, more)
            for given in (more, f"docker-image://{name}", f"oci-layout://{layout}:latest"):
                with self.subTest(given=given):
                    self.assertEqual(self.files(daemon, "--no-cache", "--build-context", f"more={given}", context), {"x": "more", "own": "own"})
            missing = self.build(daemon, "--build-context", f"more=docker-image://{self.registry.host}/nothere:1", "-o", "type=cacheonly", context, check=False)
            self.assertIn("nothere:1: not found", missing.err)
            self.assertIn("not found", self.build(daemon, "--build-context", f"more={context}", "-o", "type=cacheonly", context, check=False).err)

    def test_git(self):
        with GitServer() as git:
            git.repository("r", "echo more >x\nprintf 'FROM scratch\\nCOPY x /x\\n' | tee Dockerfile >d/Dockerfile\ngit add .\ngit commit -qm two")
            for daemon in self.each():
                context = daemon.context({"Dockerfile": NAMED, "own": "own"})
                self.assertEqual(self.files(daemon, git.url("r")), {"x": "more\n"})
                self.assertEqual(self.files(daemon, git.url("r") + "#main:d"), {"x": "inner\n"})
                self.assertEqual(self.files(daemon, "--build-context", f"more={git.url('r')}#main:d", context), {"x": "inner\n", "own": "own"})
                self.assertNotEqual(self.build(daemon, "-o", "type=cacheonly", git.url("r") + "#nosuch", check=False).returncode, 0)

    def test_http(self):
        with HttpServer() as web:
            web.files = {"/more.tar": File(archive(MORE)), "/Dockerfile": File(MORE["Dockerfile"].encode())}
            for daemon in self.each():
                self.assertEqual(self.files(daemon, f"{web.url}/more.tar"), {"x": "more"})
                self.assertEqual(self.files(daemon, "-f", f"{web.url}/Dockerfile", daemon.context({"x": "context"})), {"x": "context"})
                self.assertIn("404", self.build(daemon, "-o", "type=cacheonly", f"{web.url}/nothere", check=False).err)

    def test_standard_input(self):
        for daemon in self.each():
            self.assertEqual(self.files(daemon, "-", stdin=archive(MORE)), {"x": "more"})
            context = daemon.context({"x": "context"})
            self.assertEqual(self.files(daemon, "-f", "-", context, stdin=MORE["Dockerfile"].encode()), {"x": "context"})
            without = b"FROM scratch\nCOPY --from=b /y /y\n"
            named = daemon.context({"y": "named"})
            self.assertEqual(self.files(daemon, "--build-context", f"b={named}", "-", stdin=without), {"y": "named"})

    def test_ssh(self):
        with GitServer() as git:
            for daemon in self.each():
                _, agent, _ = git.start_ssh(daemon.user)
                context = daemon.context({"Dockerfile": f"FROM {self.base} AS b\nRUN --mount=type=ssh,id=mine,required [ -S \"$SSH_AUTH_SOCK\" ] && echo \"$SSH_AUTH_SOCK\" > /out\nFROM scratch\nCOPY --from=b /out /out\n"})
                self.assertEqual(self.files(daemon, "--ssh", f"mine={agent}", context), {"out": "/run/buildkit/ssh_agent.0\n"})
                self.assertIn("unset ssh forward key mine", self.build(daemon, "-o", "type=cacheonly", "--no-cache", "--ssh", f"default={agent}", context, check=False).err)


if __name__ == "__main__":
    unittest.main()
