"""A build of buildctl that runs while a test does things to it, and how soon it says something."""
import os
import re
import subprocess
import time

from . import machine

PATIENCE = 60  # of a loaded machine; nothing takes as long as it may
PROMPT = 5     # within which one side says that it lost the other; by design it takes 4


class RunningBuild:
    """`RunningBuild(test, daemon, dockerfile, "--keep-alive=0", address=…)`: {base} in the Dockerfile is the base image. `space`: network namespace of the client."""

    def __init__(self, test, daemon, dockerfile, *words, address="", first=(), output="", space="", env=None):
        context = daemon.context({"Dockerfile": dockerfile.replace("{base}", test.base), "file": "1"})
        argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", address or daemon.address, *first, *daemon.build_args(context, output=output, extra=words)]
        argv = (["ip", "netns", "exec", space] if space else []) + machine.command_as(daemon.user, argv)
        self.test, self.seen = test, ""
        self.process = subprocess.Popen(argv, env={**daemon.env, **(env or {})}, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)  # all of argv's programs become the next one
        test.addCleanup(self.give_up)

    def await_line(self, pattern):
        """Reads up to a line with `pattern`."""
        for line in self.process.stderr:
            self.seen += line
            if re.search(pattern, line):
                return line
        self.test.fail(f"no {pattern} in:\n{self.seen}")

    def begun(self, word="begun"):
        self.await_line(rf"^#\d+ [\d.]+ {word}")
        return self

    def end(self, code, timeout=PATIENCE):
        """All that it said, once it has ended by itself."""
        self.seen += self.process.communicate(timeout=timeout)[1]
        self.test.assertEqual(self.process.returncode, code, self.seen)
        return self.seen

    def last_line(self, timeout=PATIENCE):
        """Of one that fails."""
        return self.end(1, timeout).strip().splitlines()[-1]

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def give_up(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


def stalled():
    """Seconds, since the machine's start, in which something waited for a processor or a disk; None if the kernel does not count them."""
    total = 0
    for kind in ("cpu", "io"):
        try:
            with open(f"/proc/pressure/{kind}") as file:
                total += int(re.search(r"some .*total=(\d+)", file.read()).group(1))
        except OSError:
            return None
    return total / 1e6


class Stopwatch:
    """`prompt(what)` fails if `what` took longer than 5 s and what a busy machine may add: four times the time in which something had to wait, 10 s at most."""

    def __init__(self, test):
        self.test, self.begin, self.stalled = test, time.monotonic(), stalled()

    def prompt(self, what):
        took = time.monotonic() - self.begin
        busy = stalled() - self.stalled if self.stalled is not None else 10 * (os.getloadavg()[0] > os.cpu_count())
        print(f"{what}: {took:.1f} s")
        self.test.assertLessEqual(took, PROMPT + min(4 * busy, 10), f"{what}; the machine was busy otherwise for {busy:.1f} s")
