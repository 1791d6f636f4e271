"""Life of the daemon: settings, sockets, signals, one root each, disk usage; rows stand at the tests, those of places in test_places.py."""
import os
import pathlib
import signal
import subprocess
import threading
import time

from support import machine
from support.case import Case
from support.daemon import Daemon


def disk_bytes(path):
    total = 0
    for top, dirs, files in os.walk(path):
        for name in files:
            try:
                info = os.lstat(os.path.join(top, name))
                total += info.st_blocks * 512
            except OSError:
                pass
    return total


class Life(Case):
    def run_daemon(self, *flags, user="root", config=""):
        """Starts a daemon that is expected to end by itself; (exit code, stderr)."""
        where = machine.scratch("ends", user)
        pathlib.Path(where, "c.toml").write_text(config)
        done = subprocess.run(machine.command_as(user, [machine.bin_dir() + "/buildkitd", "--root", where + "/root", "--addr", f"unix://{where}/s", "--config", where + "/c.toml", *flags]),
                              env=machine.environment(user, where), capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr + done.stdout

    def test_settings_are_checked(self):  # DMN-004, DMN-029
        for flags, config, word in (
            (["--nosuch"], "", "flag provided but not defined: -nosuch"),
            (["--tlscert", "x"], "", "you must specify key and cert file if one is specified"),
            (["--oci-worker-snapshotter", "nosuch"], "", "nosuch"),
            (["--oci-worker-binary", "nosuch-runc"], "", "nosuch-runc"),
            ([], "root = 5\n", r"line 1|:1:|1:"),
            ([], "[nosuch]\nx = 1\n", "nosuch"),
            ([], "[system]\nplatformsCacheMaxAge = 5\n", "not built yet"),
        ):
            code, text = self.run_daemon(*flags, config=config)
            self.assertNotEqual(code, 0, (flags, config))
            self.assertRegex(text, word)
        code, text = self.run_daemon("--version")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"^buildkitd \S+ v\d+")

    def test_libraries_of_transfers_wait_for_the_first(self):
        """27 libraries come with libcurl: 6 MB and some milliseconds of each start."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                daemon.build({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
                loaded = [pid for pid in daemon.pids() if "libcurl" in pathlib.Path(f"/proc/{pid}/maps").read_text()]
                self.assertEqual(loaded, [])

    def test_two_daemons_on_one_root(self):  # DMN-002
        with Daemon() as daemon:
            other = Daemon(root=daemon.root)
            other.start(wait=False)
            self.assertNotEqual(other.process.wait(20), 0)
            self.assertRegex(other.log(), "could not lock|another")
            daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})

    def test_sigterm_lets_a_running_build_end(self):  # DMN-006
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                result = {}
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 2; echo finished\n"})
                client = threading.Thread(target=lambda: result.update(done=daemon.build(context, check=False)))
                client.start()
                self.wait_for(lambda: any("sleep 2" in line for line in daemon.pids_of_steps()))
                self.assertEqual(daemon.stop(), 0)
                client.join()
                self.assertEqual(result["done"].returncode, 0, result["done"].err)

    def test_after_the_drain_time_and_after_a_second_signal_builds_are_cancelled(self):  # DMN-006
        for flags, more in ((["--drain-timeout=1s"], 0), ([], 1)):
            with Daemon(flags=flags) as daemon:
                result = {}
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 1000\n"})
                client = threading.Thread(target=lambda: result.update(done=daemon.build(context, check=False)))
                client.start()
                self.wait_for(lambda: any("sleep 1000" in line for line in daemon.pids_of_steps()))
                begin = time.monotonic()
                if more:
                    daemon.process.send_signal(signal.SIGTERM)
                    time.sleep(0.3)
                daemon.stop()
                self.assertLess(time.monotonic() - begin, 6)
                client.join()
                self.assertNotEqual(result["done"].returncode, 0)

    def test_prune_frees_what_du_listed(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN dd if=/dev/urandom of=/big bs=1M count=20\nCOPY f /f\n", "f": os.urandom(3 << 20)})
                listed = sum(record["size"] for record in daemon.du())
                self.assertGreater(listed, 23 << 20)
                before = disk_bytes(daemon.root)
                daemon.buildctl("prune", "--all")
                self.assertEqual(daemon.du(), [])
                self.assertGreater(before - disk_bytes(daemon.root), int(listed * 0.95))

    def test_the_default_place(self):  # RLK-001
        """Without flags: sockets and state of root and of the user, found by buildctl without --addr (rows RLK-013, CTL)."""
        runtime = machine.scratch("runtime", machine.USER)
        os.chmod(runtime, 0o700)
        home = machine.scratch("home", machine.USER)
        env = dict(machine.environment(machine.USER, runtime), HOME=home)
        log = open(os.path.join(machine.scratch("log"), "log"), "w+")
        daemon = subprocess.Popen(machine.command_as(machine.USER, ["buildkitd"]), env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            self.wait_for(lambda: os.path.exists(runtime + "/buildkit/buildkitd.sock"))
            out = subprocess.run(machine.command_as(machine.USER, ["buildctl", "debug", "workers"]), env=env, capture_output=True, text=True)
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertIn("linux/amd64", out.stdout)
            self.assertTrue(os.path.isdir(home + "/.local/share/buildkit"))
            log.seek(0)
            self.assertRegex(log.read(), r"buildkitd: not root, starting under .*rootlesskit")
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(20), 0)

    def test_without_a_runtime_directory(self):
        """It listens below its state directory and says how clients find it."""
        home = machine.scratch("home", machine.USER)
        env = dict(machine.environment(machine.USER, ""), HOME=home)
        del env["XDG_RUNTIME_DIR"]
        where = os.path.join(machine.scratch("log"), "log")
        log = open(where, "w")
        daemon = subprocess.Popen(machine.command_as(machine.USER, ["buildkitd"]), env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            self.wait_for(lambda: os.path.exists(home + "/.local/share/buildkit/buildkitd.sock"))
            line = [line for line in pathlib.Path(where).read_text().splitlines() if line.startswith("export BUILDKIT_HOST=")][0]
            env["BUILDKIT_HOST"] = line.partition("=")[2]
            out = subprocess.run(machine.command_as(machine.USER, ["buildctl", "debug", "workers"]), env=env, capture_output=True, text=True)
            self.assertEqual(out.returncode, 0, out.stderr)
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(20), 0)

    def test_under_debians_launcher(self):  # RLK-001
        """Ours starts under the rootlesskit that Debian packages."""
        where = machine.scratch("deb", machine.USER)
        env = machine.environment(machine.USER, where)
        daemon = subprocess.Popen(machine.command_as(machine.USER, ["/usr/bin/rootlesskit", "--net=host", "--copy-up=/etc", "--copy-up=/run", machine.bin_dir() + "/buildkitd", "--root", where + "/root",
                                                                    "--addr", f"unix://{where}/s"]), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.wait_for(lambda: os.path.exists(where + "/s"))
            out = subprocess.run(machine.command_as(machine.USER, ["buildctl", "--addr", f"unix://{where}/s", "debug", "workers"]), env=env, capture_output=True, text=True)
            self.assertEqual(out.returncode, 0, out.stderr)
        finally:
            daemon.terminate()
            daemon.wait(20)

    def wait_for(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "does not happen in time")
            time.sleep(0.02)
