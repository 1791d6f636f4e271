"""buildctl --daemonless: a private daemon for the call that leaves nothing running and keeps its cache."""
import os
import signal
import subprocess
import threading
import time

from support import image, leaks, machine
from support.case import Case, ran


class Daemonless(Case):
    def setUp(self):
        self.layout = machine.scratch("layout")
        self.digest = image.write_layout(self.layout)

    def prepare(self, user):
        home = machine.scratch("home", user)
        run_dir = machine.scratch("run", user)
        os.chmod(run_dir, 0o700)
        self.home = home
        env = machine.environment(user, run_dir, {"HOME": home, "XDG_DATA_HOME": home + "/data"})
        if user == "root":  # its state lies elsewhere by default: keep this test's own
            env["BUILDKITD_FLAGS"] = f"--root={home}/root"
        return env

    def argv(self, user, text, *extra):
        context = machine.scratch("context", user)
        with open(context + "/Dockerfile", "w") as file:
            file.write(text)
        return machine.command_as(user, [machine.bin_dir() + "/buildctl", "--daemonless", "build", "--progress=plain", "--frontend", "dockerfile.v0", "--local", "context=" + context,
                                         "--local", "dockerfile=" + context, "--oci-layout", "base=" + self.layout, "--opt", f"context:base=oci-layout://base@{self.digest}", *extra])

    def assert_nothing_runs(self):
        left = leaks.settle(lambda: {pid: text for pid, text in leaks.processes(self.home).items() if "buildkitd" in text or "rootlesskit" in text}, 10)
        self.assertEqual(left, {})
        self.assertEqual(leaks.mounts(self.home), [])

    def test_builds_and_leaves_nothing_running(self):
        for user in self.both_users():
            env = self.prepare(user)
            argv = self.argv(user, "FROM base\nRUN echo hello\n")
            first = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120)
            self.assertEqual(first.returncode, 0, first.stderr)
            self.assert_nothing_runs()
            again = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(ran(again.stderr), [])
            self.assert_nothing_runs()

    def test_without_libcurl_only_registries_are_out_of_reach(self):
        """The library is loaded when it is first called: what needs it says which package is missing."""
        library = os.path.realpath(subprocess.run("ldconfig -p | grep -o '/.*/libcurl.so.4$' | head -n 1", shell=True, check=True, capture_output=True, text=True).stdout.strip())
        hidden = ["unshare", "-m", "sh", "-c", f"mount --bind /dev/null {library} && exec \"$@\"", "sh"]
        for user in self.both_users():
            env = self.prepare(user)
            build = lambda text: subprocess.run(hidden + self.argv(user, text), env=env, capture_output=True, text=True, timeout=120)
            without = build("FROM base\nRUN true\n")
            self.assertEqual(without.returncode, 0, without.stderr)
            failed = build(f"FROM {self.registry.host}/base\n")
            self.assertNotEqual(failed.returncode, 0)
            self.assertRegex(failed.stderr, r"error: .*libcurl\.so\.4 cannot be loaded \(install the package libcurl4\)")

    def test_its_cache_is_listed_and_emptied(self):
        for user in self.both_users():
            env = self.prepare(user)
            subprocess.run(self.argv(user, "FROM base\nRUN echo hello\n"), env=env, capture_output=True, timeout=120, check=True)
            verb = lambda *argv: subprocess.run(machine.command_as(user, [machine.bin_dir() + "/buildctl", "--daemonless", *argv]), env=env, capture_output=True, text=True, timeout=120, check=True).stdout
            self.assertIn("-c echo hello", verb("du", "--verbose"))
            self.assertIn("Total:", verb("prune", "--all"))
            self.assertNotIn("-c echo hello", verb("du", "--verbose"))
            self.assertIn("linux/", verb("debug", "workers"))
            self.assert_nothing_runs()

    def test_exit_codes_pass_through_and_ctrl_c_cleans_up(self):
        for user in self.both_users():
            env = self.prepare(user)
            failed = subprocess.run(self.argv(user, "FROM base\nRUN exit 3\n"), env=env, capture_output=True, text=True, timeout=120)
            self.assertEqual(failed.returncode, 1, failed.stderr)
            self.assertIn("exit code: 3", failed.stderr)
            self.assert_nothing_runs()
            client = subprocess.Popen(self.argv(user, "FROM base\nRUN echo now; sleep 1000\n"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in client.stderr:
                if " now" in line and "echo" not in line:
                    break
            client.send_signal(signal.SIGINT)
            client.communicate(timeout=30)
            self.assertNotEqual(client.returncode, 0)
            self.assert_nothing_runs()

    def test_a_second_call_joins_the_first_ones_daemon(self):
        for user in self.both_users():
            env = self.prepare(user)
            results = []

            def build(i):
                results.append(subprocess.run(self.argv(user, f"FROM base\nRUN sleep {1 + i}; echo {i}\n"), env=env, capture_output=True, text=True, timeout=120))
            threads = [threading.Thread(target=build, args=(i,)) for i in range(3)]
            most = 0
            for thread in threads:
                thread.start()
                time.sleep(0.2)
            while any(thread.is_alive() for thread in threads):
                daemons = {pid for pid, text in leaks.processes(self.home).items() if "/buildkitd " in text and "rootlesskit" not in text}
                # A daemon's child looks like it until it has become the runtime.
                most = max(most, len([pid for pid in daemons if leaks.parent(pid) not in daemons]))
                time.sleep(0.05)
            for done in results:
                self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(most, 1)
            self.assert_nothing_runs()
