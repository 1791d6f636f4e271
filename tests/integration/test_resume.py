"""Builds that outlive their connection: a client that comes back finds its build, and everything else ends as ever.

Rows: none has them as such; docs/buildctl.md "When the connection breaks".
"""
import os
import re
import signal
import subprocess
import tarfile
import time

from support import leaks, machine
from support.buildx import BuildxCase
from support.case import Case
from support.daemon import Daemon
from support.relay import Relay
from support.running_build import PATIENCE, RunningBuild

RUNS_ONCE = "FROM {base}\nRUN --mount=type=cache,target=/c echo run >> /c/runs; echo begun; sleep 3; echo over; cat /c/runs > /runs\n"
STAYS = "FROM {base}\nRUN echo begun; sleep 1000\n"


def count(word, said):
    """How often steps printed a line of this word."""
    return len(re.findall(rf"(?m)^#\d+ [\d.]+ {word}$", said))


class Resume(Case):
    def steps(self, daemon):
        return [line for line in daemon.pids_of_steps() if "sleep 1000" in line]

    def nothing_stays(self, daemon, seconds=PATIENCE):
        self.assertEqual(leaks.settle(lambda: self.steps(daemon), seconds), [])

    def start(self, daemon, relay, dockerfile, *words, output=""):
        """A build through the relay that has begun its step."""
        return RunningBuild(self, daemon, dockerfile, *words, address=relay.address, output=output).begun()

    def test_a_cut_in_mid_build(self):
        """Every connection is cut, twice, the second time for a while: the step goes on and runs once, its output is shown once, the result arrives."""
        def check(user):
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                out = daemon.out("tree")
                client = self.start(daemon, relay, RUNS_ONCE, output=f"type=local,dest={out}")
                relay.cut()
                client.await_line("connected to the daemon at .* again")
                relay.down = True
                relay.cut()
                client.await_line("connection to the daemon at .* lost, trying again for 30s")
                time.sleep(0.5)
                relay.down = False
                said = client.end(0)
                self.assertEqual([count(word, said) for word in ("begun", "over")], [1, 1], said)
                with open(os.path.join(out, "runs")) as file:
                    self.assertEqual(file.read(), "run\n")
        self.both_at_once(check)

    def test_a_cut_at_any_time(self):
        """The connection is cut once, after more and more bytes, from the first call on: each build is begun, runs once, and its result arrives."""
        def check(user):
            with Daemon(user=user) as daemon:
                def cut_after(limit):
                    with Relay(daemon.socket) as relay:
                        relay.limit = limit
                        dockerfile = f"FROM {{base}}\nRUN --mount=type=cache,id={limit},target=/c echo run >> /c/runs; cat /c/runs; : {limit}\n"  # the id alone makes no other step
                        said = RunningBuild(self, daemon, dockerfile, address=relay.address).end(0)
                        self.assertEqual((relay.cuts, count("run", said)), (1, 1), f"after {limit}: {said}")
                for limit in range(50, 9000, 1800):
                    self.at_once(cut_after, *range(limit, limit + 1800, 450))
        self.both_at_once(check)

    def test_what_needs_the_client_later(self):
        """A secret and a file that are asked for when the connection is down are had when it is back; so is a tar output."""
        def check(user):
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                secret, out = daemon.out("secret"), daemon.out("x.tar")
                with open(secret, "w") as file:
                    file.write("hidden")
                dockerfile = "FROM {base}\nRUN echo begun; sleep 1\nRUN --mount=type=secret,id=s,required=true wc -c < /run/secrets/s\n"
                client = self.start(daemon, relay, dockerfile, "--secret", f"id=s,src={secret}", output=f"type=tar,dest={out}")
                relay.down = True
                relay.cut()
                time.sleep(2)  # the step is over meanwhile
                relay.down = False
                self.assertEqual(count("6", client.end(0)), 1)
                self.assertIn("bin/busybox", subprocess.run(["tar", "tf", out], capture_output=True, text=True, check=True).stdout)
        self.both_at_once(check)

    def test_transfers_that_break(self):
        """A context, a tar output and a directory that are cut in the middle arrive whole: they begin again."""
        def check(user):
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                # Of 8 MiB there and 8 MiB back.
                for kind, name, limit in (("local", "tree", 3 << 20), ("local", "tree", 12 << 20), ("tar", "x.tar", 12 << 20), ("oci", "oci.tar", 12 << 20)):
                    data = os.urandom(8 << 20)
                    context, out = daemon.context({"Dockerfile": "FROM scratch\nCOPY big /big\n", "big": data}), daemon.out(name)
                    relay.limit, cuts = limit, relay.cuts
                    done = daemon.run([os.path.join(machine.bin_dir(), "buildctl"), "--addr", relay.address, *daemon.build_args(context, output=f"type={kind},dest={out}")], timeout=PATIENCE)
                    self.assertEqual(relay.cuts, cuts + 1, f"{kind} {limit}")
                    self.assertIn("again", done.err)
                    self.assertTrue(self.arrived(kind, out) == data, f"{kind} {limit}")
        self.both_at_once(check)

    def arrived(self, kind, out):
        if kind == "local":
            with open(os.path.join(out, "big"), "rb") as file:
                return file.read()
        with tarfile.open(out) as tar:
            if kind == "tar":
                return tar.extractfile("big").read()
            (layer,) = [one for one in tar if one.size > 1 << 20]
            with tarfile.open(fileobj=tar.extractfile(layer)) as inner:
                return inner.extractfile("big").read()

    def test_a_build_that_failed_meanwhile(self):
        """Its error arrives, with what the step said."""
        with Daemon() as daemon, Relay(daemon.socket) as relay:
            client = self.start(daemon, relay, "FROM {base}\nRUN echo begun; sleep 1; echo last words; exit 7\n")
            relay.down = True
            relay.cut()
            time.sleep(2)
            relay.down = False
            self.assertRegex(client.last_line(), r"^error: failed to solve: .*exit code: 7$")
            self.assertEqual(count("last words", client.seen), 1)

    def test_longer_than_the_time(self):
        """Both sides end, and say why."""
        def check(user):
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                client = self.start(daemon, relay, STAYS, "--keep-alive=2s")
                self.assertTrue(self.steps(daemon))
                relay.down = True
                relay.cut()
                self.assertRegex(client.last_line(), r"^error: .*the daemon at tcp://\S+ did not answer for 2s: the build has ended there, or ends as soon as it misses us")
                self.nothing_stays(daemon)
                self.assertIn("did not come back within 2s", daemon.buildctl("debug", "histories", "--format", "{{json .}}").out)
        self.both_at_once(check)

    def test_interrupted(self):
        """Ctrl-C ends both at once while the connection stands, and the client at once when it does not; the daemon then by itself."""
        for down in (False, True):
            with Daemon() as daemon, Relay(daemon.socket) as relay:
                client = self.start(daemon, relay, STAYS, "--keep-alive=3s" if down else "--keep-alive=1h")
                if down:
                    relay.down = True
                    relay.cut()
                    client.await_line("trying again")
                client.process.send_signal(signal.SIGINT)
                begun = time.monotonic()
                said = client.last_line()
                print(f"interrupted {'in an outage ' if down else ''}: {time.monotonic() - begun:.2f} s")
                self.assertRegex(said, r"^error: .*context canceled")
                # An hour was asked for and a minute is the most: an end that comes sooner was the client's word.
                self.nothing_stays(daemon, 20)
                self.assertEqual("client lost" in daemon.log(), down)

    def test_the_daemon_is_gone(self):
        """Where nobody listens any more nobody is waited for; an earlier daemon's build is not begun again by the next one."""
        with Daemon(check_leaks=False, flags=["--addr", "tcp://127.0.0.1:0"]) as daemon, Relay(daemon.socket) as relay:
            client = self.start(daemon, relay, STAYS)
            daemon.kill()
            daemon.start()
            self.assertRegex(client.last_line(), r"^error: failed to solve: .*there is nothing to come back to: the build ended with its connection, or with an earlier daemon$")

            client = self.start(daemon, relay, STAYS.replace("echo", "echo once more; echo"), "--keep-alive=5s")
            relay.close()  # nobody listens at the port
            begun = time.monotonic()
            self.assertRegex(client.last_line(), r"^error: .*the daemon at tcp://\S+ does not answer any more, the build is lost with it: .*connection refused")
            print(f"refused: {time.monotonic() - begun:.2f} s")

    def test_clients_that_do_not_ask(self):
        """A client without the header loses its build with its connection, at once: ours with --keep-alive=0."""
        with Daemon() as daemon, Relay(daemon.socket) as relay:
            client = self.start(daemon, relay, STAYS, "--keep-alive=0")
            relay.cut()
            self.assertRegex(client.last_line(), r"the daemon answers again, build \w+ ended with the connection")
            self.nothing_stays(daemon, 20)


class Buildx(BuildxCase):
    def test_buildx_loses_its_build(self):
        """The build of a client that knows nothing of this ends with its connection."""
        with Daemon() as daemon, Relay(daemon.socket) as relay:
            self.buildx(daemon, "create", "--name", "mine", "--driver", "remote", relay.address)
            context = daemon.context({"Dockerfile": STAYS.replace("{base}", self.base)})
            client = subprocess.Popen([self.program, "build", "--progress=plain", "--provenance=false", context], env={**daemon.env, **self.env(daemon)}, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
            self.addCleanup(client.stderr.close)
            for line in client.stderr:
                if re.search(r"^#\d+ [\d.]+ begun", line):
                    break
            relay.down = True
            relay.cut()
            client.communicate(timeout=PATIENCE)
            self.assertNotEqual(client.returncode, 0)
            self.assertEqual(leaks.settle(lambda: [line for line in daemon.pids_of_steps() if "sleep 1000" in line], 20), [])
