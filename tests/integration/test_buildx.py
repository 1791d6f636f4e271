"""Debian's docker-buildx, an old and a new one, drives the daemon through its remote driver (acceptance 4 of the main job)."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import time
import urllib.request

from support import machine
from support.buildx import SUITES, fetch
from support.case import Case, ran, steps
from support.daemon import Daemon

class Buildx(Case):
    def clients(self):
        for suite, least in SUITES.items():
            program = fetch(suite)
            version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
            found = tuple(int(part) for part in re.search(r" v?(\d+)\.(\d+)\.", version).groups())
            self.assertGreaterEqual(found, least, version)
            yield program

    def buildx(self, daemon, program, *argv, **options):
        """Runs `buildx argv` with a builder of its own that is the daemon."""
        config = os.path.join(daemon.dir, "docker-" + os.path.basename(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(program)))))))
        env = {"DOCKER_CONFIG": config, "BUILDX_BUILDER": "mine"}
        if not os.path.isdir(config):
            daemon.run([program, "create", "--name", "mine", "--driver", "remote", daemon.address], env=env)
        return daemon.run([program, *argv], env=env, **options)

    def each(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                for program in self.clients():
                    yield daemon, program

    def test_outputs(self):
        for daemon, program in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nARG WHAT=nothing\nCOPY file /file\nRUN echo $WHAT > /what\n", "file": "content"})
            build = ["build", "--progress=plain", "--build-arg", "WHAT=thing"]
            files, tar, oci, docker = (daemon.out(name) for name in ("files", "a.tar", "oci.tar", "docker.tar"))
            self.buildx(daemon, program, *build, "-o", files, context)
            self.assertEqual(pathlib.Path(files, "what").read_text(), "thing\n")
            self.buildx(daemon, program, *build, "-o", f"type=tar,dest={tar}", context)
            with tarfile.open(tar) as archive:
                self.assertEqual(archive.extractfile("what").read(), b"thing\n")
            self.buildx(daemon, program, *build, "-o", f"type=oci,dest={oci}", context)
            with tarfile.open(oci) as archive:
                self.assertIn("index.json", archive.getnames())
            self.buildx(daemon, program, *build, "-t", "sample:1", "-o", f"type=docker,dest={docker}", context)
            with tarfile.open(docker) as archive:
                self.assertEqual(json.load(archive.extractfile("manifest.json"))[0]["RepoTags"], ["sample:1"])

    def test_push(self):
        for daemon, program in self.each():
            name = f"{self.registry.host}/pushed-{time.monotonic_ns()}"
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN echo pushed > /p\n"})
            metadata = daemon.out("metadata.json")
            self.buildx(daemon, program, "build", "--progress=plain", "--push", "-t", name + ":1", "--metadata-file", metadata, context)
            repository = name.partition("/")[2]
            request = urllib.request.Request(f"http://{self.registry.host}/v2/{repository}/manifests/1", headers={"Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"})
            with urllib.request.urlopen(request) as answer:
                self.assertEqual(answer.headers["Docker-Content-Digest"], json.loads(pathlib.Path(metadata).read_text())["containerimage.digest"])

    def test_secrets(self):
        for daemon, program in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=secret,id=s grep -q hidden /run/secrets/s\n", "s": "hidden"})
            self.buildx(daemon, program, "build", "--progress=plain", "--no-cache", "--secret", f"id=s,src={context}/s", "-o", daemon.out("x"), context)

    def test_a_failing_step_shows_exit_code_and_line(self):
        for daemon, program in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN true\nRUN exit 42\n"})
            failed = self.buildx(daemon, program, "build", "--progress=plain", "-o", daemon.out("x"), context, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn("exit code: 42", failed.err)
            self.assertRegex(failed.err, r"Dockerfile:3")
            self.assertRegex(failed.err, r">>> *RUN exit 42")

    def test_ctrl_c_ends_the_step_within_two_seconds(self):
        for daemon, program in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 4321\n"})
            self.buildx(daemon, program, "version")
            config = [name for name in os.listdir(daemon.dir) if name.startswith("docker-")]
            env = dict(daemon.env, DOCKER_CONFIG=os.path.join(daemon.dir, sorted(config)[-1]), BUILDX_BUILDER="mine")
            client = subprocess.Popen(machine.command_as(daemon.user, [program, "build", "--progress=plain", "--no-cache", "-o", daemon.out("x"), context]), env=env,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            end = time.monotonic() + 30
            while not any("sleep 4321" in line for line in daemon.pids_of_steps()):
                self.assertLess(time.monotonic(), end, "the step does not start")
                time.sleep(0.02)
            client.send_signal(signal.SIGINT)
            begin = time.monotonic()
            while any("sleep 4321" in line for line in daemon.pids_of_steps()):
                self.assertLess(time.monotonic() - begin, 2, "the step does not end")
                time.sleep(0.02)
            client.communicate(timeout=30)

    def test_a_second_build_is_cached(self):
        for daemon, program in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nCOPY f /f\nRUN cat /f\n", "f": "1"})
            self.buildx(daemon, program, "build", "--progress=plain", "-o", daemon.out("x"), context)
            again = self.buildx(daemon, program, "build", "--progress=plain", "-o", daemon.out("x"), context)
            self.assertEqual(ran(again.err), [], steps(again.err))
