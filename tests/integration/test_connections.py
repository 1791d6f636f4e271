"""Ways to a daemon: TCP with and without TLS, and programs that carry the connection."""
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import time

from support import leaks, machine
from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.git_server import free_port
from support.running_build import PATIENCE, RunningBuild, Stopwatch


class Connections(Case):
    def test_tcp(self):
        """CTL-004: a port that asks for nothing."""
        for user in self.both_users():
            address = f"tcp://127.0.0.1:{free_port()}"
            with Daemon(user=user, flags=["--addr", address]) as daemon:
                self.assertIn("linux/", daemon.buildctl("--addr", address, "debug", "workers").out)

    def test_tcp_with_tls(self):
        """CTL-004, CTL-013: without an authority of clients everybody is served who trusts the daemon; no client trusts by itself."""
        ca, other = Authority("connections"), Authority("other")
        cert, key = ca.issue("server", server=True)
        mine, my_key = ca.issue("client")
        for user in self.both_users():
            address = f"tcp://127.0.0.1:{free_port()}"
            with Daemon(user=user, flags=["--addr", address, "--tlscert", cert, "--tlskey", key]) as daemon:
                self.assertIn("linux/", daemon.buildctl("--addr", address, "--tlscacert", ca.cert, "debug", "workers").out)
                for wrong in (["--tlscacert", other.cert], [], ["--tlscert", mine, "--tlskey", my_key], ["--tlscacert", ca.cert, "--tlsservername", "elsewhere"]):
                    self.assertEqual(daemon.buildctl("--addr", address, *wrong, "debug", "workers", check=False).returncode, 1)

    def test_tcp_with_mutual_tls(self):
        """CTL-004, CTL-013: a client without a certificate of the authority is turned away, one with it is served."""
        ca, other = Authority("connections"), Authority("other")
        cert, key = ca.issue("server", server=True)
        mine, my_key = ca.issue("client")
        foreign, foreign_key = other.issue("client")
        for user in self.both_users():
            address = f"tcp://127.0.0.1:{free_port()}"
            with Daemon(user=user, flags=["--addr", address, "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]) as daemon:
                tls = ["--addr", address, "--tlscacert", ca.cert]
                self.assertIn("linux/", daemon.buildctl(*tls, "--tlscert", mine, "--tlskey", my_key, "debug", "workers").out)
                for wrong, why in (([], "certificate required"), (["--tlscert", foreign, "--tlskey", foreign_key], "unknown ca")):
                    failed = daemon.buildctl(*tls, *wrong, "debug", "workers", check=False)
                    self.assertEqual(failed.returncode, 1)
                    self.assertIn("remote error: tls: " + why, failed.err)
                self.assertEqual(daemon.buildctl("--addr", address, "debug", "workers", check=False).returncode, 1)

    def test_protocols_of_the_handshake(self):
        """A client may name HTTP/2 or no protocol at all, and is told why it is turned away."""
        ca = Authority("connections")
        cert, key = ca.issue("server", server=True)
        mine, my_key = ca.issue("client")
        port = free_port()
        with Daemon(flags=["--addr", f"tcp://127.0.0.1:{port}", "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]):
            trusting = ssl.create_default_context(cafile=ca.cert)
            with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.required"):
                self.settings(trusting, port)
            trusting.load_cert_chain(mine, my_key)
            for offered, chosen in (([], None), (["h2"], "h2"), (["x", "h2"], "h2"), (["http/1.1"], None)):
                if offered:
                    trusting.set_alpn_protocols(offered)
                self.assertEqual(self.settings(trusting, port), (chosen, 4))
            trusting.set_alpn_protocols(["x"])
            with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
                self.settings(trusting, port)
            trusting.maximum_version = ssl.TLSVersion.TLSv1_2
            trusting.set_alpn_protocols(["h2"])
            self.assertEqual(self.settings(trusting, port), ("h2", 4))

    def settings(self, context, port):
        """The protocol that was agreed on, and the kind of the daemon's first frame: 4, settings."""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            return tls.selected_alpn_protocol(), tls.recv(9)[3]

    def test_lost_connections_leave_nothing(self):
        """100 connections that were dropped in each state: no descriptor and no thread of them stays."""
        ca = Authority("connections")
        cert, key = ca.issue("server", server=True)
        port = free_port()
        with Daemon(flags=["--addr", f"tcp://127.0.0.1:{port}", "--tlscert", cert, "--tlskey", key]) as daemon:
            trusting = ssl.create_default_context(cafile=ca.cert)
            self.settings(trusting, port)  # what gRPC makes at the first connection stays
            process = pathlib.Path("/proc", str(daemon.daemon_pid()))
            count = lambda: tuple(len(os.listdir(process / kind)) for kind in ("fd", "task"))
            before = count()
            raw = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(50)]
            for one in raw[:25]:
                one.sendall(b"\x16\x03\x01\x02\x00\x01")  # a handshake that does not go on
            for _ in range(25):
                self.settings(trusting, port)
            shaken = [trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost") for _ in range(25)]
            self.assertGreaterEqual(count()[0], before[0] + 50)
            for one in raw + shaken:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
                one.close()
            end = time.monotonic() + 20
            while (now := count()) > before and time.monotonic() < end:
                time.sleep(0.1)
            self.assertLessEqual(now[0], before[0])
            self.assertLessEqual(now[1], before[1] + 4)  # gRPC's own pool breathes

    def test_a_helper_is_killed(self):
        """The program that carries a build's connection is killed, or stopped: another is started, and the step goes on and runs once; where none can be had the build ends with its words."""
        def check(user):
            with Daemon(user=user) as daemon:
                programs = pathlib.Path(machine.scratch("programs"))
                docker = programs / "docker"
                docker.write_text(f"#!/bin/sh\n[ ! -e {programs}/away ] || {{ echo no such container >&2; exit 3; }}\nexec buildctl --addr {daemon.address} dial-stdio\n")
                os.chmod(docker, 0o755)

                def build(command, *words):
                    dockerfile = f"FROM {{base}}\nRUN echo begun; {command}\n"
                    return RunningBuild(self, daemon, dockerfile, *words, address="docker-container://x", env={"PATH": f"{programs}:{daemon.env['PATH']}"}).begun()

                def helper():
                    (pid,) = [pid for pid, line in daemon.pids().items() if line.endswith("dial-stdio")]
                    return pid
                client = build("sleep 8; echo over")
                for fault in (signal.SIGKILL, signal.SIGSTOP):
                    os.kill(helper(), fault)
                    clock = Stopwatch(self)
                    client.await_line("connection to the daemon at docker-container://x lost, trying again for 30s")
                    clock.prompt(f"helper, {fault.name}, {user}")
                    client.await_line("connected to the daemon at docker-container://x again")
                said = client.end(0)
                self.assertEqual([len(re.findall(rf"(?m)^#\d+ [\d.]+ {word}$", said)) for word in ("begun", "over")], [1, 1], said)

                client = build("sleep 1000", "--keep-alive=2s")
                (programs / "away").touch()
                os.kill(helper(), signal.SIGKILL)
                self.assertRegex(client.last_line(), "^error: .*did not answer for 2s: .*no such container")
                self.assertEqual(leaks.settle(lambda: [line for line in daemon.pids_of_steps() if "sleep 1000" in line], PATIENCE), [])
        self.both_at_once(check)

    def test_helper(self):
        """CTL-010: the program in PATH carries the connection; its last words are told when it ends."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                programs = machine.scratch("programs")
                docker = pathlib.Path(programs, "docker")
                docker.write_text(f'#!/bin/sh\n[ "$*" = "exec -i x buildctl dial-stdio" ] || {{ echo no such container >&2; exit 3; }}\nexec buildctl --addr {daemon.address} dial-stdio\n')
                os.chmod(docker, 0o755)
                env = {"PATH": programs + ":" + daemon.env["PATH"]}
                self.assertIn("linux/", daemon.buildctl("--addr", "docker-container://x", "debug", "workers", env=env).out)
                failed = daemon.buildctl("--addr", "docker-container://y", "debug", "workers", env=env, check=False)
                self.assertEqual(failed.returncode, 1)
                self.assertIn("exit status 3", failed.err)
                self.assertIn("no such container", failed.err)
