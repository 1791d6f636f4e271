"""One side ends without a word: the other one says so within 5 s and ends, or resumes, and leaves nothing; watching a build of somebody else's.

Rows: none has them as such; RPC-016 (sessions end with their connection), docs/buildctl.md "When one side is lost". Frontends that are
killed: test_gateway_faults.
"""
import os
import re
import signal
import time

from support import leaks, machine
from support.api_case import ApiCase
from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.git_server import free_port
from support.network import Network
from support.relay import Relay
from support.running_build import PATIENCE, RunningBuild, Stopwatch

KEEP = {"unix": (), "tcp, nothing kept": ("--keep-alive=0",), "tcp": ("--keep-alive=3s",)}


class Lost(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority("lost")
        cls.client_tls = ["--tlscacert", cls.ca.cert, *(word for pair in zip(("--tlscert", "--tlskey"), cls.ca.issue("client")) for word in pair)]

    def daemon(self, user, host="127.0.0.1", **options):
        """One that also listens with TLS both ways, at `daemon.tcp`."""
        cert, key = self.ca.issue(f"server-{user}", server=True, addresses=[host])
        tcp = f"tcp://{host}:{free_port()}"
        daemon = Daemon(user=user, flags=["--addr", tcp, "--tlscert", cert, "--tlskey", key, "--tlscacert", self.ca.cert], **options)
        daemon.tcp = tcp
        return daemon

    def stay(self, daemon, way, **options):
        """A build that does not end by itself, by one of the ways of KEEP."""
        # Without a word of its own each would be the same step.
        dockerfile = f"FROM {{base}}\nRUN echo begun; : {way}; sleep 1000\n"
        if way != "unix":
            options.update(address=daemon.tcp, first=self.client_tls)
        return RunningBuild(self, daemon, dockerfile, *KEEP[way], **options).begun()

    def steps(self, daemon):
        return [line for line in daemon.pids_of_steps() if "sleep 1000" in line]

    def nothing_stays(self, daemon):
        self.assertEqual(leaks.settle(lambda: self.steps(daemon), PATIENCE), [])

    def test_the_client_is_killed(self):
        """The daemon says so, ends the build or keeps it for as long as it was asked to, then its step and everything of it are gone."""
        def check(user):
            with self.daemon(user) as daemon:
                for number, way in enumerate(KEEP, 1):
                    client = self.stay(daemon, way)
                    self.assertTrue(self.steps(daemon))
                    client.kill()
                    clock = Stopwatch(self)
                    if way == "tcp":  # it could be a proxy that was closed
                        daemon.await_log('level=info msg="client lost, its build is kept for 3s"')
                        clock.prompt(f"client killed, {user}, {way}: kept")
                    daemon.await_log('level=info msg="build is cancelled: its client is gone', number)
                    self.nothing_stays(daemon)
                    if way != "tcp":
                        clock.prompt(f"client killed, {user}, {way}: ended")
                self.assertIn("and it did not come back within 3s", daemon.log())
        self.both_at_once(check)

    def test_the_daemon_is_killed(self):
        """The client says what became of the daemon, with exit code 1; whoever keeps looking for it says that at once."""
        def check(user):
            with self.daemon(user, check_leaks=False) as daemon:
                clients = {way: self.stay(daemon, way) for way in KEEP}
                daemon.kill()
                clock = Stopwatch(self)
                clients["tcp"].await_line("connection to the daemon at .* lost, trying again for 3s")
                clock.prompt(f"daemon killed, {user}, tcp: said")
                for way in ("unix", "tcp, nothing kept"):
                    self.assertRegex(clients[way].last_line(), r"^error: failed to solve: .*the daemon does not answer any more, build \w+ is lost with it$")
                    clock.prompt(f"daemon killed, {user}, {way}: ended")
                self.assertRegex(clients["tcp"].last_line(), r"^error: .*the daemon at tcp://\S+ does not answer any more, the build is lost with it: .*connection refused")
                daemon.start()
                self.assertEqual(leaks.settle(lambda: [line for line in leaks.processes(daemon.dir).values() if "sleep 1000" in line], PATIENCE), [])
        self.both_at_once(check)

    def test_the_network_is_gone(self):
        """A pair of network interfaces goes down in mid-build, TLS both ways: the client says so and ends, or looks for the daemon; the daemon ends the build, or keeps it."""
        def check(user):
            with Network() as network, self.daemon(user, network.address) as daemon:
                ends, keeps = [self.stay(daemon, way, space=network.space) for way in ("tcp, nothing kept", "tcp")]
                network.take_down()
                clock = Stopwatch(self)

                def client_ends():
                    self.assertRegex(ends.last_line(), r"^error: .*the daemon at tcp://\S+ does not answer any more: build \w+ ends there|^error: .*the daemon does not answer any more, build")
                    clock.prompt(f"network gone, {user}: client ended")

                def client_says():
                    keeps.await_line("connection to the daemon at .* lost, trying again for 3s")
                    clock.prompt(f"network gone, {user}: client says so")

                def daemon_says(text):
                    daemon.await_log(f'level=info msg="{text}')
                    clock.prompt(f"network gone, {user}: daemon says, {text}")
                self.at_once(lambda do: do(), client_ends, client_says, lambda: daemon_says("client lost, its build is kept for 3s"), lambda: daemon_says("build is cancelled: its client is gone"))
                self.assertRegex(keeps.last_line(), r"^error: .*the daemon at tcp://\S+ did not answer for 3s: the build has ended there, or ends as soon as it misses us")
                self.nothing_stays(daemon)
        self.both_at_once(check)

    def test_the_network_comes_back(self):
        """The same, and the interfaces come up again: the client says that it lost the daemon, finds it again, and the build ends as it would have."""
        def check(user):
            with Network() as network, self.daemon(user, network.address) as daemon:
                client = RunningBuild(self, daemon, "FROM {base}\nRUN echo begun; sleep 8; echo over\n", address=daemon.tcp, first=self.client_tls, space=network.space).begun()
                network.take_down()
                client.await_line("lost, trying again for 30s")
                network.bring_up()
                said = client.end(0)
                self.assertRegex(said, "connected to the daemon at .* again")
                self.assertEqual(len(re.findall(r"(?m)^#\d+ [\d.]+ over$", said)), 1, said)
                daemon.await_log('level=info msg="client is back"')
        self.both_at_once(check)

    def test_the_connection_falls_silent(self):
        """A relay that holds the bytes back and closes nothing: the client finds that out by itself."""
        def check(user):
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                client = RunningBuild(self, daemon, "FROM {base}\nRUN echo begun; sleep 1000\n", "--keep-alive=0", address=relay.address).begun()
                relay.silent = True
                clock = Stopwatch(self)
                self.assertIn("does not answer any more", client.last_line())
                clock.prompt(f"silent, {user}")
                relay.close()
                self.nothing_stays(daemon)
        self.both_at_once(check)

    def test_who_is_stopped_is_not_lost(self):
        """A daemon that is slower than a question waits, and a client that was stopped for longer than that: the build goes on as if nothing had been."""
        def check(user):
            with self.daemon(user) as daemon:
                client = RunningBuild(self, daemon, "FROM {base}\nRUN echo begun; sleep 9; echo over\n", address=daemon.tcp, first=self.client_tls).begun()
                client.process.send_signal(signal.SIGSTOP)
                time.sleep(6)
                client.process.send_signal(signal.SIGCONT)
                time.sleep(0.5)
                os.kill(daemon.daemon_pid(), signal.SIGSTOP)
                time.sleep(1.5)
                os.kill(daemon.daemon_pid(), signal.SIGCONT)
                said = client.end(0)
                self.assertNotIn("trying again", said)
                self.assertRegex(said, r"(?m)^#\d+ [\d.]+ over$")
                self.assertNotIn("client lost", daemon.log())
        self.both_at_once(check)

    def test_a_slow_line_is_not_lost(self):
        """Answers come seconds late behind the files of a context: what goes through shows that the daemon is there."""
        with Daemon() as daemon, Relay(daemon.socket) as relay:
            relay.rate = 200_000
            context = daemon.context({"Dockerfile": "FROM scratch\nCOPY big /\n", "big": os.urandom(2_000_000)})
            done = daemon.run([os.path.join(machine.bin_dir(), "buildctl"), "--addr", relay.address, *daemon.build_args(context)], timeout=2 * PATIENCE)
            self.assertNotIn("trying again", done.err)

    def test_attach(self):
        """Somebody else's build is shown from its beginning to its end, whose exit code is its own; one that nobody knows is refused."""
        def check(user):
            with Daemon(user=user) as daemon:
                for ending, code in (("true", 0), ("false", 1)):
                    client = RunningBuild(self, daemon, f"FROM {{base}}\nRUN echo begun; : {ending}; sleep 1; echo over; {ending}\n").begun()
                    watched = daemon.buildctl("attach", "--progress=plain", self.running(daemon), check=False)
                    client.end(code)
                    self.assertEqual(watched.returncode, code, watched.err)
                    for text in ("begun", "over"):
                        self.assertRegex(watched.err, rf"(?m)^#\d+ [\d.]+ {text}$")
                self.assertIn("no such job nobody", daemon.buildctl("attach", "nobody", check=False).err)
        self.both_at_once(check)

    def running(self, daemon):
        """The ref of the one build that runs."""
        for line in daemon.buildctl("debug", "histories", "--format", "{{json .}}", check=False).out.splitlines():
            match = re.search(r'"[rR]ef":"(\w+)"', line)
            if match and "completedAt" not in line and "CompletedAt" not in line:
                return match.group(1)
        self.fail(daemon.buildctl("debug", "histories", check=False).out)


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
