"""One side ends without a word: the other one says so and ends, within seconds, and leaves nothing; watching a build of somebody else's.

Rows: none has them as such; RPC-016 (sessions end with their connection), docs/buildctl.md "When one side is lost".
"""
import os
import re
import signal
import subprocess
import time

from support import leaks, machine
from support.api_case import ApiCase
from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.network import Network
from support.relay import Relay

# A loaded machine may take its time; what is looked for is that nobody waits for good.
PATIENCE = 30


class Lost(Case):
    def start(self, daemon, dockerfile, ref):
        context = daemon.context({"Dockerfile": dockerfile})
        argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", daemon.address, *daemon.build_args(context, extra=["--ref-file", ref])]
        return subprocess.Popen(machine.command_as(daemon.user, argv), env=daemon.env, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)

    def await_step(self, client, text):
        seen = []
        for line in client.stderr:
            seen.append(line)
            if text in line and "RUN" not in line:
                return seen
        self.fail("".join(seen))

    def client_pid(self, daemon):
        (pid,) = [pid for pid, text in daemon.pids().items() if "buildctl" in text.split(" ")[0] and " build " in text]
        return pid

    def test_the_client_is_killed(self):
        """The daemon ends the build, its step and everything of it."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                client = self.start(daemon, f"FROM {self.base}\nRUN echo begun; sleep 1000\n", daemon.out("ref"))
                self.await_step(client, "begun")
                before = daemon.pids_of_steps()
                self.assertTrue([line for line in before if "sleep 1000" in line])
                os.kill(self.client_pid(daemon), signal.SIGKILL)
                client.wait(PATIENCE)
                client.stderr.close()
                self.assertEqual(leaks.settle(lambda: [line for line in daemon.pids_of_steps() if "sleep 1000" in line], PATIENCE), [])

    def test_the_daemon_is_killed(self):
        """The client says what became of the daemon, with exit code 1."""
        for user in self.both_users():
            with Daemon(user=user, check_leaks=False) as daemon:
                client = self.start(daemon, f"FROM {self.base}\nRUN echo begun; sleep 1000\n", daemon.out("ref"))
                self.await_step(client, "begun")
                daemon.kill()
                rest = client.communicate(timeout=PATIENCE)[1]
                self.assertEqual(client.returncode, 1)
                self.assertRegex(rest.strip().splitlines()[-1], r"^error: failed to solve: .*the daemon does not answer any more, build \w+ is lost with it$")
                daemon.start()
                self.assertEqual(leaks.settle(lambda: [line for line in leaks.processes(daemon.dir).values() if "sleep 1000" in line], PATIENCE), [])

    def test_attach(self):
        """Somebody else's build is shown from its beginning to its end, whose exit code is its own; one that nobody knows is refused."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                for ending, code in (("true", 0), ("false", 1)):
                    client = self.start(daemon, f"FROM {self.base}\nRUN echo begun-{ending}; sleep 2; echo over; {ending}\n", daemon.out("ref"))
                    self.await_step(client, f"begun-{ending}")
                    ref = self.running(daemon)
                    watched = daemon.buildctl("attach", "--progress=plain", ref, check=False)
                    client.communicate(timeout=PATIENCE)
                    self.assertEqual((client.returncode, watched.returncode), (code, code), watched.err)
                    for text in (f"begun-{ending}", "over"):
                        self.assertRegex(watched.err, rf"(?m)^#\d+ [\d.]+ {text}$")
                self.assertIn("no such job nobody", daemon.buildctl("attach", "nobody", check=False).err)

    def running(self, daemon):
        """The ref of the one build that runs."""
        for line in daemon.buildctl("debug", "histories", "--format", "{{json .}}", check=False).out.splitlines():
            match = re.search(r'"[rR]ef":"(\w+)"', line)
            if match and "completedAt" not in line and "CompletedAt" not in line:
                return match.group(1)
        self.fail(daemon.buildctl("debug", "histories", check=False).out)


    def test_the_network_is_gone(self):
        """A pair of network interfaces goes down in mid-build, TLS both ways: the client says so within seconds and ends; the daemon misses it and ends the build."""
        ca = Authority("lost")
        for user in self.both_users():
            with Network() as network:
                cert, key = ca.issue("server", server=True, addresses=[network.address])
                mine, my_key = ca.issue("client")
                with Daemon(user=user, flags=["--addr", network.url, "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]) as daemon:
                    tls = ["--tlscacert", ca.cert, "--tlscert", mine, "--tlskey", my_key]
                    client = self.start_there(daemon, network, tls, ["--keep-alive=0"], "sleep 1000")
                    self.await_step(client, "begun")
                    network.take_down()
                    begun = time.monotonic()
                    rest = client.communicate(timeout=PATIENCE)[1]
                    ended = time.monotonic() - begun
                    self.assertEqual(client.returncode, 1)
                    self.assertRegex(rest.strip().splitlines()[-1], r"^error: .*the daemon at tcp://\S+ does not answer any more: build \w+ ends there|^error: .*the daemon does not answer any more, build")
                    self.assertEqual(leaks.settle(lambda: [line for line in daemon.pids_of_steps() if "sleep 1000" in line], PATIENCE), [])
                    print(f"network gone, {user}: the client ended after {ended:.1f} s, the daemon had ended the build after {time.monotonic() - begun:.1f} s")
                    self.assertLess(ended, PATIENCE)

    def test_the_network_comes_back(self):
        """The same, and the interfaces come up again: the client says that it lost the daemon, finds it again, and the build ends as it would have."""
        ca = Authority("lost")
        for user in self.both_users():
            with Network() as network:
                cert, key = ca.issue("server", server=True, addresses=[network.address])
                mine, my_key = ca.issue("client")
                with Daemon(user=user, flags=["--addr", network.url, "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]) as daemon:
                    client = self.start_there(daemon, network, ["--tlscacert", ca.cert, "--tlscert", mine, "--tlskey", my_key], [], "sleep 9; echo over")
                    self.await_step(client, "begun")
                    network.take_down()
                    begun = time.monotonic()
                    self.await_step(client, "lost, trying again for 30s")
                    print(f"network gone, {user}: said after {time.monotonic() - begun:.1f} s")
                    network.bring_up()
                    rest = client.communicate(timeout=2 * PATIENCE)[1]
                    self.assertEqual(client.returncode, 0, rest)
                    self.assertIn("again", rest)
                    self.assertEqual(len(re.findall(r"(?m)^#\d+ [\d.]+ over$", rest)), 1, rest)

    def start_there(self, daemon, network, tls, words, command):
        """A client in the other network namespace, as the daemon's user."""
        context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN echo begun; {command}\n"})
        argv = machine.command_as(daemon.user, [os.path.join(machine.bin_dir(), "buildctl"), "--addr", network.url, *tls, *daemon.build_args(context, extra=words)])
        client = subprocess.Popen(["ip", "netns", "exec", network.space, *argv], env=daemon.env, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
        self.addCleanup(client.stderr.close)
        return client

    def test_the_connection_falls_silent(self):
        """A relay that holds the bytes back and closes nothing: the client finds that out by itself."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN echo begun; sleep 1000\n"})
                argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", relay.address, *daemon.build_args(context, extra=["--keep-alive=0"])]
                client = subprocess.Popen(machine.command_as(user, argv), env=daemon.env, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
                self.await_step(client, "begun")
                relay.silent = True
                rest = client.communicate(timeout=PATIENCE)[1]
                self.assertEqual(client.returncode, 1)
                self.assertIn("does not answer any more", rest.strip().splitlines()[-1])
                relay.close()
                self.assertEqual(leaks.settle(lambda: [line for line in daemon.pids_of_steps() if "sleep 1000" in line], PATIENCE), [])


class Sessions(ApiCase):
    def test_sessions_that_come_and_go(self):
        """RPC-016: 200 sessions opened and dropped leave no descriptor, no thread and no memory behind."""
        for daemon, client in self.each():
            def state():
                pid = daemon.daemon_pid()
                with open(f"/proc/{pid}/status") as file:
                    status = file.read()
                return (sum(leaks.open_files(pid).values()), int(re.search(r"Threads:\s+(\d+)", status).group(1)), int(re.search(r"VmRSS:\s+(\d+)", status).group(1)))

            def rounds(count):
                for _ in range(count):
                    with client.session(trees={"ctx": {"f": b"f"}}):
                        pass
            rounds(50)
            time.sleep(1)
            files, threads, memory = state()
            rounds(200)
            self.assertEqual(leaks.settle(lambda: [now for now in [state()] if now[0] > files + 2 or now[1] > threads + 4], PATIENCE), [], (files, threads))
            self.assertLess(state()[2], memory + 16_384)
