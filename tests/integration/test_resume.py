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

PATIENCE = 60  # of a loaded machine; nothing here takes as long as it may
RUNS_ONCE = "FROM {base}\nRUN --mount=type=cache,target=/c echo run >> /c/runs; echo begun; sleep 4; echo over; cat /c/runs > /runs\n"
STAYS = "FROM {base}\nRUN echo begun; sleep 1000\n"


class Resume(Case):
    def start(self, daemon, relay, dockerfile, *words, output=""):
        context = daemon.context({"Dockerfile": dockerfile.replace("{base}", self.base), "file": "1"})
        argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", relay.address, *daemon.build_args(context, output=output, extra=words)]
        client = subprocess.Popen(machine.command_as(daemon.user, argv), env=daemon.env, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
        self.addCleanup(client.stderr.close)
        return client

    def await_line(self, client, text):
        seen = []
        for line in client.stderr:
            seen.append(line)
            if re.search(text, line):
                return "".join(seen)
        self.fail(f"no {text} in:\n" + "".join(seen))

    def begun(self, client):
        return self.await_line(client, r"^#\d+ [\d.]+ begun")

    def steps(self, daemon):
        return [line for line in daemon.pids_of_steps() if "sleep 1000" in line]

    def client_pid(self, daemon):
        (pid,) = [pid for pid, text in daemon.pids().items() if "buildctl" in text.split(" ")[0] and " build " in text]
        return pid

    def test_a_cut_in_mid_build(self):
        """Every connection is cut, twice, the second time for seconds: the step goes on and runs once, its output is shown once, the result arrives."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                out = daemon.out("tree")
                client = self.start(daemon, relay, RUNS_ONCE, output=f"type=local,dest={out}")
                seen = self.begun(client)
                relay.cut()
                seen += self.await_line(client, "connected to the daemon at .* again")
                relay.down = True
                relay.cut()
                seen += self.await_line(client, "connection to the daemon at .* lost, trying again for 30s")
                time.sleep(1)
                relay.down = False
                seen += client.communicate(timeout=PATIENCE)[1]
                self.assertEqual(client.returncode, 0, seen)
                for word in ("begun", "over"):
                    self.assertEqual(len(re.findall(rf"(?m)^#\d+ [\d.]+ {word}$", seen)), 1, seen)
                with open(os.path.join(out, "runs")) as file:
                    self.assertEqual(file.read(), "run\n")

    def test_what_needs_the_client_later(self):
        """A secret and a file that are asked for when the connection is down are had when it is back; so is a tar output."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                secret, out = daemon.out("secret"), daemon.out("x.tar")
                with open(secret, "w") as file:
                    file.write("hidden")
                dockerfile = "FROM {base}\nRUN echo begun; sleep 2\nRUN --mount=type=secret,id=s,required=true wc -c < /run/secrets/s\n"
                client = self.start(daemon, relay, dockerfile, "--secret", f"id=s,src={secret}", output=f"type=tar,dest={out}")
                seen = self.begun(client)
                relay.down = True
                relay.cut()
                time.sleep(3)  # the step is over meanwhile
                relay.down = False
                seen += client.communicate(timeout=PATIENCE)[1]
                self.assertEqual(client.returncode, 0, seen)
                self.assertRegex(seen, r"(?m)^#\d+ [\d.]+ 6$")
                self.assertIn("bin/busybox", subprocess.run(["tar", "tf", out], capture_output=True, text=True, check=True).stdout)

    def test_transfers_that_break(self):
        """A context, a tar output and a directory that are cut in the middle arrive whole: they begin again."""
        for user in self.both_users():
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
            client = self.start(daemon, relay, "FROM {base}\nRUN echo begun; sleep 2; echo last words; exit 7\n")
            seen = self.begun(client)
            relay.down = True
            relay.cut()
            time.sleep(3)
            relay.down = False
            seen += client.communicate(timeout=PATIENCE)[1]
            self.assertEqual(client.returncode, 1)
            self.assertRegex(seen, r"(?m)^#\d+ [\d.]+ last words$")
            self.assertRegex(seen.splitlines()[-1], r"^error: failed to solve: .*exit code: 7$")

    def test_longer_than_the_time(self):
        """Both sides end, and say why."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Relay(daemon.socket) as relay:
                client = self.start(daemon, relay, STAYS, "--keep-alive=2s")
                self.begun(client)
                self.assertTrue(self.steps(daemon))
                relay.down = True
                relay.cut()
                seen = client.communicate(timeout=PATIENCE)[1]
                self.assertEqual(client.returncode, 1)
                self.assertRegex(seen.splitlines()[-1], r"^error: .*the daemon at tcp://\S+ did not answer for 2s: the build has ended there, or ends as soon as it misses us")
                self.assertEqual(leaks.settle(lambda: self.steps(daemon), PATIENCE), [])
                self.assertIn("did not come back within 2s", daemon.buildctl("debug", "histories", "--format", "{{json .}}").out)

    def test_interrupted(self):
        """Ctrl-C ends both at once while the connection stands, and the client at once when it does not; the daemon then by itself."""
        for down in (False, True):
            with Daemon() as daemon, Relay(daemon.socket) as relay:
                client = self.start(daemon, relay, STAYS, "--keep-alive=3s" if down else "--keep-alive=1h")
                self.begun(client)
                if down:
                    relay.down = True
                    relay.cut()
                    self.await_line(client, "trying again")
                client.send_signal(signal.SIGINT)
                begun = time.monotonic()
                seen = client.communicate(timeout=PATIENCE)[1]
                print(f"interrupted {'in an outage ' if down else ''}: {time.monotonic() - begun:.2f} s")
                self.assertEqual(client.returncode, 1)
                self.assertRegex(seen.splitlines()[-1], r"^error: .*context canceled")
                # An hour was asked for and a minute is the most: an end that comes sooner was the client's word.
                self.assertEqual(leaks.settle(lambda: self.steps(daemon), 20), [])

    def test_the_daemon_is_gone(self):
        """Where nobody listens any more nobody is waited for; an earlier daemon's build is not begun again by the next one."""
        with Daemon(check_leaks=False, flags=["--addr", "tcp://127.0.0.1:0"]) as daemon, Relay(daemon.socket) as relay:
            client = self.start(daemon, relay, STAYS)
            self.begun(client)
            daemon.kill()
            daemon.start()
            seen = client.communicate(timeout=PATIENCE)[1]
            self.assertEqual(client.returncode, 1)
            self.assertRegex(seen.splitlines()[-1], r"^error: failed to solve: .*there is nothing to come back to: the build ended with its connection, or with an earlier daemon$")

            client = self.start(daemon, relay, STAYS.replace("begun", "begun again").replace("echo", "echo begun; echo"), "--keep-alive=5s")
            self.begun(client)
            relay.close()  # nobody listens at the port
            begun = time.monotonic()
            seen = client.communicate(timeout=PATIENCE)[1]
            print(f"refused: {time.monotonic() - begun:.2f} s")
            self.assertEqual(client.returncode, 1)
            self.assertRegex(seen.splitlines()[-1], r"^error: .*the daemon at tcp://\S+ does not answer any more, the build is lost with it: .*connection refused")

    def test_clients_that_do_not_ask(self):
        """A client without the header loses its build with its connection, at once: ours with --keep-alive=0."""
        with Daemon() as daemon, Relay(daemon.socket) as relay:
            client = self.start(daemon, relay, STAYS, "--keep-alive=0")
            self.begun(client)
            relay.cut()
            seen = client.communicate(timeout=PATIENCE)[1]
            self.assertEqual(client.returncode, 1)
            self.assertRegex(seen.splitlines()[-1], r"the daemon answers again, build \w+ ended with the connection")
            self.assertEqual(leaks.settle(lambda: self.steps(daemon), 20), [])


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
