"""Frontends that come as images and go wrong: that let go of their connection and live on, that are killed, whose daemon is killed. The
build ends with a message that names what happened, and nothing is left. Root and an ordinary user, runc and crun. DFE-107, DFE-113.
"""
import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from support import frontend_image, leaks, machine
from support.case import Case
from support.daemon import Daemon
from support.running_build import Stopwatch

RUNTIMES = (("root", "runc"), (machine.USER, "crun"))


class GatewayFaults(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = frontend_image.push_python(cls.registry.host, "frontends/plain")

    def argv(self, daemon, do, *opts, out=""):
        words = [word for opt in (f"source={self.plain}", f"do={do}", *opts) for word in ("--opt", opt)]
        return ["build", "--progress=plain", "--frontend", "gateway.v0", *words, *(["--output", f"type=local,dest={out}"] if out else [])]

    def fails(self, daemon, do, *opts):
        """The text of a build that has to fail long before the frontend would end by itself."""
        done = daemon.buildctl(*self.argv(daemon, do, *opts), check=False, timeout=40)
        self.assertNotEqual(done.returncode, 0, done.err)
        self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
        return done.err

    def test_frontends_that_let_go_of_their_connection(self):
        for user, runtime in RUNTIMES:
            with self.subTest(user=user, runtime=runtime), Daemon(user, runtime=runtime) as daemon:
                for do in ("leave", "babble", "drop")[:3 if user == "root" else 2]:
                    self.assertIn("frontend grpc server closed unexpectedly", self.fails(daemon, do))
                for then in ("end", "stay")[:2 if user == "root" else 1]:  # what was returned holds
                    out = daemon.out("tree")
                    daemon.buildctl(*self.argv(daemon, "late", f"then={then}", out=out), timeout=40)
                    self.assertEqual(json.loads(pathlib.Path(out, "report").read_text()), {"late": 1})
                self.assertEqual(leaks.settle(daemon.pids_of_steps), [])

    def begin(self, daemon, do):
        """(client, pid of the frontend's process) of a build whose frontend is at work."""
        argv = [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *self.argv(daemon, do)]
        client = subprocess.Popen(machine.command_as(daemon.user, argv), env=daemon.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
        end = time.monotonic() + 60
        while not (found := self.frontends(daemon)):
            self.assertLess(time.monotonic(), end, "the frontend does not begin")
            time.sleep(0.05)
        return client, found[0]

    def frontends(self, daemon):
        """Processes of frontends below this daemon."""
        def below(pid):
            while pid > 1 and pid != daemon.process.pid:
                pid = leaks.parent(pid)
            return pid > 1
        lines = {int(entry): pathlib.Path(f"/proc/{entry}/cmdline") for entry in os.listdir("/proc") if entry.isdigit()}
        return [pid for pid, line in lines.items() if line.exists() and leaks.read(line) == b"/usr/bin/python3\0/main.py\0" and below(pid)]

    def ends(self, client, what):
        """What the client says at its end, which comes within 5 s on a machine that is free."""
        clock = Stopwatch(self)
        _, text = client.communicate(timeout=60)
        clock.prompt(what)
        self.assertNotEqual(client.returncode, 0)
        return text

    def nothing_is_kept(self, daemon):
        daemon.buildctl("prune-histories")
        daemon.buildctl("prune", "--all")
        self.assertEqual(daemon.du(), [])
        for kind in ("content/blobs/sha256", "content/ingest", "snapshots", "tmp"):
            self.assertEqual(os.listdir(os.path.join(daemon.root, kind)), [], kind)

    def test_a_frontend_is_killed(self):
        for user, runtime in RUNTIMES:
            with self.subTest(user=user, runtime=runtime), Daemon(user, runtime=runtime) as daemon:
                self.fails(daemon, "nothing")
                files = leaks.open_files(daemon.daemon_pid())
                for do in ("hang", "busy"):  # before it says anything, and in the middle of its calls
                    client, frontend = self.begin(daemon, do)
                    if do == "busy":
                        self.assertIn("busy", next(line for line in client.stderr if "busy" in line))
                    os.kill(frontend, signal.SIGKILL)
                    self.assertRegex(self.ends(client, do), rf'exit code: 137 \(frontend "{self.plain}" was killed by signal 9, KILL\)')
                    self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
                more = lambda: {kind: count for kind, count in leaks.open_files(daemon.daemon_pid()).items() if count > files.get(kind, 0) + 2}
                self.assertEqual(leaks.settle(more), {}, f"before: {files}")
                self.nothing_is_kept(daemon)

    def test_the_daemon_is_killed(self):
        for user, runtime in RUNTIMES:
            with self.subTest(user=user, runtime=runtime), Daemon(user, runtime=runtime) as daemon:
                groups = daemon.groups_before
                client, frontend = self.begin(daemon, "busy")
                daemon.kill()
                self.assertRegex(self.ends(client, "client"), r"(?i)daemon|connection|EOF|closed")
                daemon.start()
                daemon.groups_before = groups  # of before the first start
                self.assertEqual(leaks.settle(lambda: [pid for pid in [frontend] if os.path.exists(f"/proc/{pid}")]), [])
                self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
                self.assertEqual(leaks.settle(lambda: leaks.mounts(daemon.dir)), [])
                self.assertIn("no result for incomplete build", self.fails(daemon, "nothing"))
                self.nothing_is_kept(daemon)


if __name__ == "__main__":
    unittest.main()
