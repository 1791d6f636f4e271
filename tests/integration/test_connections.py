"""Ways to a daemon: TCP with and without TLS, and programs that carry the connection."""
import os
import pathlib

from support import machine
from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.git_server import free_port


class Connections(Case):
    def test_tcp_with_mutual_tls(self):
        """CTL-004, CTL-013: a client without a certificate of the authority is turned away, one with it is served."""
        ca = Authority("connections")
        cert, key = ca.issue("server", server=True)
        mine, my_key = ca.issue("client")
        address = f"tcp://127.0.0.1:{free_port()}"
        with Daemon(flags=["--addr", address, "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]) as daemon:
            tls = ["--addr", address, "--tlscacert", ca.cert]
            self.assertIn("linux/", daemon.buildctl(*tls, "--tlscert", mine, "--tlskey", my_key, "debug", "workers").out)
            self.assertEqual(daemon.buildctl(*tls, "debug", "workers", check=False).returncode, 1)
            self.assertEqual(daemon.buildctl("--addr", address, "debug", "workers", check=False).returncode, 1)

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
