"""docker-buildx bake: groups, matrix, linked targets, overrides, compose files; imagetools."""
import json
import os
import pathlib
import unittest

from support.buildx import BuildxCase, tree

FILE = """
variable "WHAT" { default = "unset" }
group "default" { targets = ["app", "m"] }
target "lib" {
  context = "CONTEXT"
  dockerfile-inline = "FROM scratch\\nCOPY file /lib\\n"
}
target "app" {
  context = "CONTEXT"
  contexts = { lib = "target:lib" }
  dockerfile-inline = "FROM scratch\\nCOPY --from=lib /lib /from-lib\\n"
  output = ["type=local,dest=OUT/app"]
}
target "m" {
  name = "m-${x}"
  matrix = { x = ["a", "b"] }
  context = "CONTEXT"
  args = { X = x, WHAT = WHAT }
  dockerfile-inline = "FROM scratch\\nARG X WHAT\\nCOPY file /${X}-${WHAT}\\n"
  output = ["type=local,dest=OUT/${x}"]
}
"""


class BuildxBake(BuildxCase):
    def bake(self, daemon, file, *argv, **options):
        return self.buildx(daemon, "bake", "--allow=fs=*", "--progress=plain", "-f", file, *argv, **options)

    def test_groups_matrix_and_linked_targets(self):
        for daemon in self.each():
            context, out, metadata = daemon.context({"file": "content"}), daemon.out("out"), daemon.out("m.json")
            dollars = FILE.replace("${X}-${WHAT}", "$${X}-$${WHAT}")
            where = daemon.context({"bake.hcl": dollars.replace("CONTEXT", context).replace("OUT", out)})
            file = os.path.join(where, "bake.hcl")
            self.bake(daemon, file, "--metadata-file", metadata, env={"WHAT": "w"})
            self.assertEqual(tree(out), {"app/from-lib": "content", "a/a-w": "content", "b/b-w": "content"})
            self.assertLessEqual({"app", "m-a", "m-b"}, set(json.loads(pathlib.Path(metadata).read_text())))
            printed = json.loads(self.bake(daemon, file, "--print").out)
            self.assertEqual(sorted(printed["target"]), ["app", "lib", "m-a", "m-b"])
            other = daemon.out("one")
            self.bake(daemon, file, "m-a", "--set", f"m-a.output=type=local,dest={other}", "--set", "*.args.WHAT=set")
            self.assertEqual(tree(other), {"a-set": "content"})

    def test_a_failing_target(self):
        for daemon in self.each():
            context = daemon.context({"bake.json": json.dumps({"target": {"default": {"dockerfile-inline": f"FROM {self.base}\nRUN exit 7\n", "output": ["type=cacheonly"]}}})})
            failed = self.bake(daemon, os.path.join(context, "bake.json"), check=False, cwd=context)
            self.assertIn("exit code: 7", failed.err)
            self.assertNotEqual(failed.returncode, 0)

    def test_compose_files_are_baked(self):
        for daemon in self.each():
            context = daemon.context({"compose.yaml": "services:\n  web:\n    build:\n      context: .\n      args: {WHAT: thing}\n", "Dockerfile": "FROM scratch\nARG WHAT\nCOPY file /$WHAT\n", "file": "content"})
            out = daemon.out("out")
            self.bake(daemon, os.path.join(context, "compose.yaml"), "--set", f"web.output=type=local,dest={out}", cwd=context)
            self.assertEqual(tree(out), {"thing": "content"})

    def test_imagetools(self):
        for daemon in self.each():
            name = f"{self.registry.host}/tools-{daemon.user}"
            context = daemon.context({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", "file": "content"})
            for architecture in ("amd64", "arm64"):
                self.build(daemon, "--platform", "linux/" + architecture, "--push", "-t", f"{name}:{architecture}", context)
            self.buildx(daemon, "imagetools", "create", "-t", f"{name}:both", f"{name}:amd64", f"{name}:arm64")
            raw = json.loads(self.buildx(daemon, "imagetools", "inspect", "--raw", f"{name}:both").out)
            self.assertEqual([m["platform"]["architecture"] for m in raw["manifests"]], ["amd64", "arm64"])
            self.assertIn("linux/arm64", self.buildx(daemon, "imagetools", "inspect", f"{name}:both").out)
            # What was put together is what is built on.
            on = daemon.context({"Dockerfile": f"FROM {name}:both\n"})
            self.assertEqual(self.files(daemon, "--platform=linux/arm64", on), {"arm64": "content"})


if __name__ == "__main__":
    unittest.main()
