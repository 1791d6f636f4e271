"""docker-buildx beside builds: builders over unix sockets and TCP, disk usage, pruning, dial-stdio, the debugger."""
import filecmp
import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

from support import machine
from support.buildx import BuildxCase
from support.certificates import Authority
from support.daemon import Daemon
from support.registry import free_port


class BuildxAdmin(BuildxCase):
    def test_builders(self):
        for daemon in self.each():
            self.assertRegex(self.buildx(daemon, "ls").out, rf"mine0 .*{re.escape(daemon.address)} +running")
            seen = self.buildx(daemon, "inspect", "--bootstrap", "mine").out
            for wanted in (r"Driver: +remote", r"Status: +running", r"Platforms: +linux/", r"org.mobyproject.buildkit.worker.executor: +oci", r"GC Policy rule#0:"):
                self.assertRegex(seen, wanted)
            self.buildx(daemon, "create", "--name", "second", "--driver", "remote", daemon.address)
            self.buildx(daemon, "rm", "second")
            self.assertNotIn("second", self.buildx(daemon, "ls").out)

    def test_a_tcp_port(self):
        for user in self.both_users():
            address = f"tcp://127.0.0.1:{free_port()}"
            with Daemon(user=user, flags=["--addr", address]) as daemon:
                self.buildx(daemon, "create", "--name", "mine", "--driver", "remote", address)
                context = daemon.context({"Dockerfile": "FROM scratch\nCOPY file /file\n", "file": "content"})
                self.assertEqual(self.files(daemon, context), {"file": "content"})
                self.assertRegex(self.buildx(daemon, "inspect", "mine").out, r"Status: +running")

    def test_a_tcp_port_with_mutual_tls(self):
        """CTL-004: this client names no protocol in its handshake (ALPN). 100 MB of context go through."""
        ca = Authority("buildx")
        (cert, key), (mine, my_key) = ca.issue("server", server=True), ca.issue("client")
        for user in self.both_users():
            address = f"tcp://127.0.0.1:{free_port()}"
            with Daemon(user=user, flags=["--addr", address, "--tlscert", cert, "--tlskey", key, "--tlscacert", ca.cert]) as daemon:
                options = f"cacert={ca.cert},cert={mine},key={my_key},servername=localhost"
                self.buildx(daemon, "create", "--name", "mine", "--driver", "remote", "--driver-opt", options, address)
                self.assertRegex(self.buildx(daemon, "inspect", "mine").out, r"Status: +running")
                context = daemon.context({"Dockerfile": "FROM scratch\nCOPY big /big\n"})
                with open(os.path.join(context, "big"), "wb") as file:
                    for _ in range(100):
                        file.write(os.urandom(1 << 20))
                out = daemon.out("big")
                self.build(daemon, "-o", out, context)
                self.assertTrue(filecmp.cmp(os.path.join(context, "big"), os.path.join(out, "big"), shallow=False))

    def test_disk_usage_and_prune(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=cache,target=/c echo a > /c/a\nCOPY file /file\n", "file": "content"})
            self.build(daemon, "-o", "type=cacheonly", context)
            ids = lambda *filters: [json.loads(line)["ID"] for line in self.buildx(daemon, "du", "--format", "json", *[p for f in filters for p in ("--filter", f)]).out.splitlines()]
            everything, caches, local = ids(), ids("type=exec.cachemount"), ids("type=source.local")
            self.assertEqual(len(caches), 1)
            self.assertTrue(local)
            self.assertLess(set(caches + local), set(everything))
            self.assertIn("Type:", self.buildx(daemon, "du", "--verbose").out)
            self.buildx(daemon, "prune", "--force", "--filter", "type=source.local")
            self.assertEqual(ids(), [i for i in everything if i not in local])
            self.buildx(daemon, "prune", "--force", "--all", "--filter", "until=24h")
            self.assertEqual(ids("type=exec.cachemount"), caches)
            self.assertRegex(self.buildx(daemon, "prune", "--force", "--all").out, r"Total:\s+[0-9.]+")
            self.assertEqual(ids(), [])

    def test_dial_stdio(self):
        """A builder on `dial-stdio`: the first frame that the daemon sends is HTTP/2's settings."""
        for daemon in self.each():
            client = subprocess.Popen(machine.command_as(daemon.user, [self.program, "dial-stdio"]), env=dict(daemon.env, **self.env(daemon)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                client.stdin.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                client.stdin.flush()
                self.assertEqual(client.stdout.read(9)[3], 4)
            finally:
                client.kill()
                client.communicate(timeout=10)

    def debug(self, daemon, lines, *argv):
        """What a terminal shows when `lines` are typed, each after its prompt's text was seen."""
        master, slave = pty.openpty()
        env = dict(daemon.env, **self.env(daemon, BUILDX_EXPERIMENTAL="1", TERM="dumb"))
        client = subprocess.Popen(machine.command_as(daemon.user, [self.program, "debug", *argv]), env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        shown, end = "", time.monotonic() + 60
        try:
            while client.poll() is None or select.select([master], [], [], 0)[0]:
                self.assertLess(time.monotonic(), end, shown[-2000:])
                if not select.select([master], [], [], 0.1)[0]:
                    continue
                try:
                    shown += os.read(master, 65536).decode(errors="replace")
                except OSError:
                    break
                if lines and lines[0][0] in shown:
                    os.write(master, lines.pop(0)[1].encode())
            return shown
        finally:
            client.kill()
            client.wait(10)
            os.close(master)

    def test_debugger(self):
        """A shell in the container of the step that failed sees what the step saw."""
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN echo kept > /kept\nRUN false\n"})
            shown = self.debug(daemon, [("/ #", "echo it is $(cat /kept)\n"), ("it is kept", "exit\n"), ("(buildx)", "exit\n")],
                               "--on=error", "--invoke=/bin/sh", "build", "--progress=plain", "--provenance=false", context)
            self.assertIn("it is kept", shown)


if __name__ == "__main__":
    unittest.main()
