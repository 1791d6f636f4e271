"""Where the daemon listens and keeps its state, with which modes, and flags whose effect a client sees, of root's and the user's daemon."""
import os
import pathlib
import re
import stat
import subprocess
import time

from support import machine
from support.api import Client, Graph
from support.api_case import ApiCase
from support.daemon import Daemon

MODE_LABEL = "org.mobyproject.buildkit.worker.oci.process-mode"


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class Places(ApiCase):
    def test_sockets(self):
        """DMN-015, DMN-047: one listener for each --addr, mode 0660, a socket that was left is replaced, none is left at the end."""
        for user in self.both_users():
            daemon = Daemon(user=user)
            second = os.path.join(daemon.run_dir, "second.sock")
            daemon.flags += ["--addr", "unix://" + second]
            for path in (daemon.socket, second):
                subprocess.run(machine.command_as(user, ["/usr/bin/python3", "-c", f"import socket; socket.socket(socket.AF_UNIX).bind({path!r})"]), check=True)
            with daemon:
                for path in (daemon.socket, second):
                    self.assertEqual(mode(path), 0o660)
                    daemon.buildctl("--addr", "unix://" + path, "debug", "workers")
            self.assertEqual([name for name in os.listdir(daemon.run_dir) if name.endswith(".sock")], [])

    def test_state_directory(self):
        """DMN-003 (modes), DMN-014: the state directory is its owner's alone; the mask of new files is empty."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
                self.assertEqual(mode(daemon.root), 0o700)
                masks = [re.search(r"(?m)^Umask:\t(\d+)$", text).group(1) for text in (pathlib.Path(f"/proc/{pid}/status").read_text() for pid in daemon.pids()) if text.startswith("Name:\tbuildkitd\n")]
                self.assertEqual(masks, ["0000"])

    def test_the_users_runtime_directory(self):
        """DMN-046: closed to others, and sticky so that cleaners of temporary files leave it."""
        runtime, home = machine.scratch("runtime", machine.USER), machine.scratch("home", machine.USER)
        env = dict(machine.environment(machine.USER, runtime), HOME=home)
        daemon = subprocess.Popen(machine.command_as(machine.USER, ["buildkitd"]), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            end = time.monotonic() + 30
            while not os.path.exists(runtime + "/buildkit/buildkitd.sock"):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
            self.assertEqual(mode(runtime + "/buildkit"), 0o1700)
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(20), 0)

    def test_debug(self):
        """DMN-012: --debug shows what is below info."""
        for flags, wanted in (([], False), (["--debug"], True)):
            with Daemon(flags=flags) as daemon:
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
                self.assertEqual("level=debug" in pathlib.Path(daemon.log_path).read_text(), wanted)

    def test_the_runtime_by_its_path(self):
        """DMN-034, DMN-027: a path in place of a name; no worker at all is refused."""
        for user in self.both_users():
            with Daemon(user=user, flags=["--oci-worker=true", "--oci-worker-binary=/usr/bin/runc"]) as daemon:
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
            daemon = Daemon(user=user, flags=["--oci-worker=false"]).start(wait=False)
            self.assertNotEqual(daemon.process.wait(20), 0)
            self.assertIn("worker", daemon.log())

    def test_the_runtime_is_looked_for(self):
        """DMN-008: a worker is there when runc or buildkit-runc is in PATH; without them no daemon starts."""
        for name, found in (("runc", True), ("buildkit-runc", True), ("nothing", False)):
            programs = machine.scratch("path")
            os.symlink("/usr/bin/runc" if os.path.exists("/usr/bin/runc") else "/usr/sbin/runc", os.path.join(programs, name))
            daemon = Daemon(env={"PATH": programs}, snapshotter="native")
            if found:
                with daemon, Client(daemon) as client:
                    self.assertEqual(len(client.control("ListWorkers").record), 1)
            else:
                daemon.start(wait=False)
                self.assertNotEqual(daemon.process.wait(20), 0)
                self.assertRegex(daemon.log(), "runc|worker")

    def test_without_a_process_sandbox(self):
        """DMN-037, DMN-038: a rootless daemon's steps may share its processes; root's daemon refuses it."""
        flags = ["--oci-worker-no-process-sandbox"]
        for more, wanted in (([], "sandbox"), (flags, "no-sandbox")):
            with Daemon(user=machine.USER, flags=more) as daemon, Client(daemon) as client:
                self.assertEqual(client.control("ListWorkers").record[0].Labels[MODE_LABEL], wanted)
                graph = Graph()
                seen = self.made(client, graph, graph.run([self.image(graph)], "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' > /seen; true"), "/seen")
                self.assertEqual(bool(re.search("buildkitd", seen)), more == flags, seen)
        refused = Daemon(flags=flags).start(wait=False)
        self.assertNotEqual(refused.process.wait(20), 0)
        self.assertIn("without Rootless", refused.log())
