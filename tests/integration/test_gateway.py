"""Frontends that come as images (gateway.v0), as root and as an ordinary user. DFE-105 to DFE-114."""
import json
import pathlib
import unittest

from support import frontend_image
from support.case import Case
from support.daemon import Daemon


class Gateway(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        host = cls.registry.host
        cls.plain = frontend_image.push_python(host, "frontends/plain")
        cls.labelled = frontend_image.push_python(host, "frontends/labelled", WorkingDir="/protos", Labels={
            "moby.buildkit.frontend.network.none": "true", "moby.buildkit.frontend.caps": "moby.buildkit.frontend.inputs,moby.test"})

    def gateway(self, daemon, source, *opts, check=True):
        out = daemon.out("tree")
        done = daemon.buildctl("build", "--progress=plain", "--frontend", "gateway.v0", "--opt", f"source={source}", *[word for opt in opts for word in ("--opt", opt)],
                               "--output", f"type=local,dest={out}", check=check)
        if not check:
            return done
        return json.loads(pathlib.Path(out, "report").read_text())

    def test_frontends(self):
        for user in self.both_users():
            with self.subTest(user=user), Daemon(user) as daemon:
                self.environment(daemon)
                self.labels(daemon)
                self.syntax(daemon)
                self.containers(daemon)
                self.failures(daemon)

    def environment(self, daemon):  # DFE-106, DFE-108
        seen = self.gateway(daemon, self.plain, "a=b=c", "empty=")
        self.assertEqual(seen["opts"], {"source": self.plain, "a": "b=c", "empty": ""})
        self.assertTrue(seen["session"])
        self.assertEqual((seen["product"], seen["uid"], seen["cwd"], seen["inputs"]), ("buildkit", 0, "/", []))
        self.assertEqual(seen["workers"][0]["platforms"][0]["os"], "linux")
        self.assertGreater(seen["metadata"], 50)
        self.assertGreater(seen["caps"], 20)

    def labels(self, daemon):  # DFE-109, DFE-111
        seen = self.gateway(daemon, self.labelled, "frontend.caps=moby.test")
        self.assertEqual(seen["cwd"], "/protos")
        self.assertLessEqual(set(seen["interfaces"]), {"lo"})
        failed = self.gateway(daemon, self.plain, "frontend.caps=moby.test", check=False)
        self.assertIn("unsupported frontend capability moby.test", failed.err)

    def syntax(self, daemon):  # DFE-024, DFE-112
        out = daemon.out("tree")
        daemon.build({"Dockerfile": f"# syntax={self.plain} extra\nFROM scratch\n"}, output=f"type=local,dest={out}")
        seen = json.loads(pathlib.Path(out, "report").read_text())
        self.assertEqual((seen["opts"]["cmdline"], seen["opts"]["source"]), (f"{self.plain} extra", self.plain))
        out = daemon.out("tree")
        daemon.build({"Dockerfile": "FROM scratch\n"}, output=f"type=local,dest={out}", opts={"build-arg:BUILDKIT_SYNTAX": self.plain})
        self.assertTrue(pathlib.Path(out, "report").exists())
        # Built in: nothing is pulled.
        out = daemon.out("tree")
        daemon.build({"Dockerfile": "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY x /\n", "x": "1"}, output=f"type=local,dest={out}")
        self.assertTrue(pathlib.Path(out, "x").exists())

    def containers(self, daemon):  # DFE-116, DFE-117
        self.assertEqual(self.gateway(daemon, self.plain, "do=container"), {"out": "got input\n", "code": 0})

    def failures(self, daemon):  # DFE-113
        failed = self.gateway(daemon, self.plain, "do=exit", check=False)
        self.assertIn("exit code: 3: the frontend gives up", failed.err)
        self.assertIn("[frontend] ", failed.err)
        self.assertIn("no result for incomplete build", self.gateway(daemon, self.plain, "do=nothing", check=False).err)
        self.assertIn("this frontend refuses", self.gateway(daemon, self.plain, "do=refuse", check=False).err)
        self.gateway(daemon, self.plain, "do=twice")

    def test_allowed_repositories(self):  # DFE-110
        config = f'[frontend."gateway.v0"]\nallowedRepositories = ["{self.plain}"]\n'
        with Daemon(config=config) as daemon:
            self.gateway(daemon, self.plain)
            failed = self.gateway(daemon, self.labelled, check=False)
            self.assertIn(f"'{self.labelled}' is not an allowed gateway source", failed.err)
        with Daemon(config='[frontend."gateway.v0"]\nenabled = false\n') as daemon:
            self.assertIn("invalid frontend: gateway.v0", self.gateway(daemon, self.plain, check=False).err)


if __name__ == "__main__":
    unittest.main()
