"""Debian's docker-buildx and a case for it: `self.buildx(daemon, "build", …)` runs it with a builder that is the daemon."""
import os
import pathlib
import re
import subprocess
import tarfile

from . import machine
from .case import Case
from .daemon import Daemon

# Suites and what their docker-buildx is at least.
SUITES = {"trixie": (0, 13), "sid": (0, 29)}


def fetch(suite):
    """The client program of that suite, kept for the next run below /var/cache."""
    where = pathlib.Path("/var/cache/buildkit-tests/buildx-" + suite)
    program = where / "usr/libexec/docker/cli-plugins/docker-buildx"
    if not program.exists():
        subprocess.run([str(machine.TOP / "tests/integration/support/fetch_debian"), suite, "docker-buildx", str(where)], check=True)
    return str(program)


class BuildxCase(Case):
    """Each test runs with the newest client, as root and as an ordinary user; `self.program` is the client."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = fetch("sid")
        version = subprocess.run([cls.program, "version"], capture_output=True, text=True, check=True).stdout
        assert tuple(int(part) for part in re.search(r" v?(\d+)\.(\d+)\.", version).groups()) >= SUITES["sid"], version

    def each(self, **options):
        for user in self.both_users():
            with Daemon(user=user, **options) as daemon:
                self.buildx(daemon, "create", "--name", "mine", "--driver", "remote", daemon.address)
                yield daemon

    def env(self, daemon, **more):
        return {"DOCKER_CONFIG": os.path.join(daemon.dir, "docker"), "BUILDX_BUILDER": "mine", **more}

    def buildx(self, daemon, *argv, env=None, **options):
        return daemon.run([self.program, *argv], env=self.env(daemon, **(env or {})), **options)

    def build(self, daemon, *argv, provenance=False, **options):
        more = [] if provenance else ["--provenance=false"]
        return self.buildx(daemon, "build", "--progress=plain", *more, *argv, **options)

    def files(self, daemon, *argv, **options):
        """Builds and returns what was sent: {path: text}."""
        out = daemon.out("files")
        self.build(daemon, "-o", out, *argv, **options)
        return tree(out)


def tree(directory):
    return {str(path.relative_to(directory)): path.read_text() for path in sorted(pathlib.Path(directory).rglob("*")) if path.is_file()}


def names(archive):
    with tarfile.open(archive) as tar:
        return [member.name for member in tar if member.isfile()]
