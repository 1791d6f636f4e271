"""Checks of Dockerfiles and questions about them: in builds, asked by buildctl, asked by docker-buildx (DFE-026, DFE-076…104)."""
import json
import os
import pathlib
import re

import test_buildx
from support.case import Case
from support.daemon import Daemon

OLD, NEW = "trixie", "sid"  # docker-buildx without and with --check


class Checks(Case):
    buildx = test_buildx.Buildx.buildx

    def ask(self, daemon, context, request, **options):
        return daemon.build(context, opts={"requestid": request, **options.pop("opts", {})}, **options)

    def test_a_build_warns_and_succeeds(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                files = {"Dockerfile": f"FROM {self.base} AS Stage\nWORKDIR rel\nCOPY log /log\nENV PASSWORD=$NOTHING\nMAINTAINER me\nCMD true\n", "log": "x", ".dockerignore": "logs\n"}
                done = daemon.build(files)
                warned = re.findall(r"WARN: (\w+): .*\(line (\d+)\)", done.err)
                self.assertEqual(warned, [("StageNameCasing", "1"), ("MaintainerDeprecated", "5"), ("WorkdirRelativePath", "2"), ("UndefinedVar", "4"),
                                          ("SecretsUsedInArgOrEnv", "4"), ("JSONArgsRecommended", "6")], done.err)
                # They belong to the step that loads the file.
                step = re.search(r"#(\d+) WARN: ", done.err).group(1)
                self.assertRegex(done.err, rf"#{step} \[internal\] load build definition from Dockerfile")
                self.assertEqual(re.findall("WARN: ", daemon.build({"Dockerfile": f"# check=skip=all\nFROM {self.base} AS Stage\nCMD true\n"}).err), [])

    def test_warnings_carry_the_place_and_the_text(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\n\nCMD \\\n  true\n"})
                argv = [word.replace("plain", "rawjson") for word in daemon.build_args(context)]
                messages = [json.loads(line) for line in daemon.buildctl(*argv).err.splitlines() if line.startswith("{")]
                (warning,) = [w for m in messages for w in m.get("warnings") or []]
                self.assertEqual([r["start"]["line"] for r in warning["range"]], [3, 4])
                self.assertEqual(warning["level"], 1)
                self.assertEqual(warning["url"], "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/")
                self.assertEqual(warning["sourceInfo"]["filename"], "Dockerfile")
                steps = {v["digest"]: v["name"] for m in messages for v in m.get("vertexes") or []}
                self.assertEqual(steps[warning["vertex"]], "[internal] load build definition from Dockerfile")

    def test_warnings_can_be_made_errors(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"# check=error=true\nFROM {self.base}\nCMD true\n"})
                failed = daemon.build(context, check=False)
                self.assertEqual(failed.returncode, 1)
                self.assertIn("lint violation found for rules: JSONArgsRecommended", failed.err)
                daemon.build(context, opts={"build-arg:BUILDKIT_DOCKERFILE_CHECK": "skip=JSONArgsRecommended"})
                wrong = daemon.build(context, opts={"build-arg:BUILDKIT_DOCKERFILE_CHECK": "what"}, check=False)
                self.assertIn('failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option "what"', wrong.err)

    def test_files_that_are_kept_back_are_told(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": "FROM scratch\nCOPY a/secret /\n", "a/secret": "x", ".dockerignore": "a/s*\n"})
                done = self.ask(daemon, context, "frontend.lint")
                self.assertIn('Attempting to Copy file "a/secret" that is excluded by .dockerignore', done.out)

    def test_questions_of_buildctl(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"ARG WHAT=base\n# tools for building\nFROM {self.base} AS Tools\nRUN --mount=type=secret,id=key true\n# out the result\nFROM tools AS out\nARG MODE=fast\nCMD true\n"})
                lint = self.ask(daemon, context, "frontend.lint")
                self.assertEqual(lint.out, "\nWARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\nStage name 'Tools' should be lowercase\n"
                                 f"Dockerfile:3\n--------------------\n   1 |     ARG WHAT=base\n   2 |     # tools for building\n   3 | >>> FROM {self.base} AS Tools\n"
                                 "   4 |     RUN --mount=type=secret,id=key true\n   5 |     # out the result\n--------------------\n"
                                 "\nWARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n"
                                 "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals\n"
                                 "Dockerfile:8\n--------------------\n   6 |     FROM tools AS out\n   7 |     ARG MODE=fast\n   8 | >>> CMD true\n   9 |     \n--------------------\n")
                self.assertEqual(self.ask(daemon, context, "frontend.targets").out, "TARGET        DESCRIPTION\ntools         for building\nout (default) the result\n")
                self.assertEqual(self.ask(daemon, context, "frontend.outline").out,
                                 "TARGET:      out\nDESCRIPTION: the result\n\nBUILD ARG   VALUE   DESCRIPTION\nMODE        fast    \n\nSECRET   REQUIRED\nkey      \n\n")
                self.assertIn("subrequests.describe 1.0.0", self.ask(daemon, context, "frontend.subrequests.describe").out)
                name, _, text = self.ask(daemon, context, "frontend.convertllb").out.partition("\n")
                self.assertEqual(name, "result.json")
                ops = json.loads(text)["def"].values()
                self.assertEqual(sum("exec" in op for op in ops), 1)
                unknown = self.ask(daemon, context, "frontend.nosuch", check=False)
                self.assertEqual(unknown.returncode, 1)
                self.assertIn("unsupported request frontend.nosuch", unknown.err)
                broken = self.ask(daemon, daemon.context({"Dockerfile": "FROM scratch\nNOPE\n"}), "frontend.outline", check=False)
                self.assertEqual(broken.returncode, 1)
                self.assertIn("unknown instruction: NOPE", broken.err)

    def test_questions_of_buildx(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"# MODE how to build\nARG MODE=fast\nFROM {self.base} AS one\nARG MODE\nFROM one AS two\nCMD [\"true\"]\n"})
                bad = daemon.context({"Dockerfile": f"FROM {self.base} AS one\nCMD true\n"})
                broken = daemon.context({"Dockerfile": f"FROM {self.base} AS one\nCOPY --from=9 a b\n"})
                new = test_buildx.fetch(NEW)
                self.assertIn("Check complete, no warnings found.", self.buildx(daemon, new, "build", "--check", context).out)
                found = self.buildx(daemon, new, "build", "--check", bad, check=False)
                self.assertEqual(found.returncode, 1)
                self.assertIn("JSONArgsRecommended", found.out)
                self.assertIn("Dockerfile:2", found.out)
                failed = self.buildx(daemon, new, "build", "--check", broken, check=False)
                self.assertNotEqual(failed.returncode, 0)
                self.assertIn("invalid stage index 9", failed.out + failed.err)
                for words in (["--call=outline"], ["--call=outline,format=json"]):
                    self.assertRegex(self.buildx(daemon, new, "build", *words, context).out, r"MODE")
                self.assertRegex(self.buildx(daemon, new, "build", "--call=targets", context).out, r"two \(default\)")
                self.assertRegex(self.buildx(daemon, new, "build", "--call=subrequests.describe", context).out, r"outline +1\.0\.0")
                old = test_buildx.fetch(OLD)
                for request, text in (("outline", "MODE"), ("targets", r"two \(default\)")):
                    done = daemon.run([old, "build", "--print=" + request, context],
                                      env={"DOCKER_CONFIG": self.old_config(daemon, old), "BUILDX_BUILDER": "mine", "BUILDX_EXPERIMENTAL": "1"})
                    self.assertRegex(done.out, text)

    def old_config(self, daemon, program):
        self.buildx(daemon, program, "version")
        (name,) = [name for name in os.listdir(daemon.dir) if name.startswith("docker-") and OLD in name]
        return str(pathlib.Path(daemon.dir, name))
