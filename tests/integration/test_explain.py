"""Why steps ran: real builds, then `buildctl explain` in words and JSON; root's daemon and the ordinary user's.

No row of the features: no peer has it. docs/buildctl.md, "Explain".
"""
import io
import json
import pathlib
import re
import tarfile
from unittest import mock

from support import image
from support.case import Case
from support.daemon import Daemon

FILES = {"src/a.c": "a", "src/b.c": "b", "src/c.c": "c"}


class Explain(Case):
    def each(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                yield daemon

    def dockerfile(self, run="RUN test -n \"$VERSION\" && cat src/* >/out"):
        return f"FROM {self.base}\nARG VERSION=0\nARG API_TOKEN\nWORKDIR /w\nCOPY . .\n{run}\n"

    def explain(self, daemon, *args):
        return daemon.buildctl("explain", *args).out.splitlines()

    def reason(self, daemon, instruction, *args):
        found = [line for line in self.explain(daemon, *args) if line.startswith(instruction)]
        self.assertEqual(len(found), 1, self.explain(daemon, *args))
        return found[0]

    def test_what_changed_is_named(self):
        """First builds, changed files, arguments, instructions and a build without the cache; values of secret arguments stay away."""
        for daemon in self.each():
            self.assertIn("nothing to explain", daemon.buildctl("explain", check=False).err)
            context = daemon.context({**FILES, "Dockerfile": self.dockerfile()})
            ref = daemon.out("ref")
            daemon.build(context, extra=["--ref-file", ref])
            first = pathlib.Path(ref).read_text()
            self.assertEqual(self.reason(daemon, "COPY . ."), "COPY . . ran: first build of this step")
            self.assertTrue(self.reason(daemon, "RUN").endswith(" ran: first build of this step"))

            daemon.build(context)
            self.assertEqual([line for line in self.explain(daemon) if line.startswith(("COPY", "RUN", "WORKDIR"))], [])
            self.assertRegex(self.explain(daemon)[-1], r"^\d+ steps did not have to run$")
            self.assertEqual(self.reason(daemon, "COPY . .", first), "COPY . . ran: first build of this step", "an earlier build by its ref")

            daemon.run(["sh", "-c", f"cd {context} && echo new >src/a.c && echo new >src/b.c && rm src/c.c && echo d >src/d.c"])
            daemon.build(context)
            self.assertEqual(self.reason(daemon, "COPY . ."), "COPY . . ran: 4 files changed (src/a.c, src/b.c, -src/c.c, +src/d.c)")
            self.assertTrue(self.reason(daemon, "RUN").endswith(" ran: its input COPY . . ran anew"), self.explain(daemon))

            daemon.build(context, opts={"build-arg:VERSION": "1"})
            daemon.build(context, opts={"build-arg:VERSION": "2", "build-arg:API_TOKEN": "hunter2"})
            reason = self.reason(daemon, "RUN")
            self.assertIn("build argument VERSION changed (1 → 2)", reason)
            self.assertIn("build argument API_TOKEN changed", reason)
            self.assertNotIn("hunter2", reason + daemon.buildctl("explain", "--format", "json").out)
            self.assertEqual([line for line in self.explain(daemon) if line.startswith("COPY")], [])

            daemon.run(["sh", "-c", f"cat >{context}/Dockerfile"], stdin=self.dockerfile("RUN true").encode())
            daemon.build(context)
            self.assertRegex("\n".join(self.explain(daemon)), r"(?m)^RUN true ran: its instruction changed \(was RUN test ")

            daemon.build(context, extra=["--no-cache"])
            self.assertEqual(self.reason(daemon, "RUN"), "RUN true ran: it was told not to use the cache")

            shown = json.loads(daemon.buildctl("explain", "--format", "json", first).out)
            self.assertEqual(shown["ref"], first)
            copy = [step for step in shown["steps"] if "COPY" in step["name"]][0]
            self.assertEqual([cause["kind"] for cause in copy["causes"]], ["first"])

    def test_base_and_pruned(self):
        """Another base image under the same name; records that were pruned; builds whose history was removed; another daemon's life."""
        plain = io.BytesIO(image.layer())
        with tarfile.open(fileobj=plain, mode="a") as tar:
            tar.addfile(tarfile.TarInfo("changed"))
        other_layer = plain.getvalue()
        for daemon in self.each():
            name = f"{self.registry.host}/explain-{daemon.user}"
            image.push(self.registry.host, f"explain-{daemon.user}")
            context = daemon.context({"Dockerfile": f"FROM {name}\nRUN echo x >/x\nRUN echo y >/y\n", "f": "f"})
            daemon.build(context)
            daemon.buildctl("prune", "--all")
            daemon.stop()
            daemon.start()
            daemon.build(context)
            self.assertRegex(self.reason(daemon, "RUN echo x"), r"^RUN echo x >/x ran: record was pruned at (\d{4}-\d\d-\d\d )?\d\d:\d\d$")
            self.assertRegex(self.reason(daemon, "RUN echo y"), r"record was pruned at")
            with mock.patch.object(image, "layer", lambda: other_layer):
                image.push(self.registry.host, f"explain-{daemon.user}")
            daemon.build(context)
            self.assertRegex(self.reason(daemon, "RUN echo x"), rf"^RUN echo x >/x ran: base image {re.escape(name)}\S* changed: digest sha256:\w+ → sha256:\w+$")
            self.assertEqual(self.reason(daemon, "RUN echo y"), "RUN echo y >/y ran: its input RUN echo x >/x ran anew")
            daemon.build(context, opts={"target": "none"}, check=False)
            daemon.buildctl("prune-histories")
            self.assertIn("nothing to explain", daemon.buildctl("explain", check=False).err)
            self.assertIn("is not known", daemon.buildctl("explain", "nosuchref", check=False).err)

    def test_failed_before(self):
        """A step that failed is told of; fixed by what it reads, it names that; by nothing of its own, it says that it failed before."""
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=cache,target=/c test -e /c/there || ( touch /c/there; false )\n"})
            self.assertNotEqual(daemon.build(context, check=False).returncode, 0)
            self.assertRegex(self.reason(daemon, "RUN"), r"first build of this step \(it failed\)$")
            daemon.build(context)
            self.assertRegex(self.reason(daemon, "RUN"), r"ran: it did not end well before$")
