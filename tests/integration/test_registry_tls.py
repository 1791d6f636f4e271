"""Registries with TLS: authorities, client certificates and the directories that they may lie in; HTTP/2.

Rows: DMN-083, DMN-084, INF-001.
"""
import os
import pathlib
import re
import shutil

from support import machine
from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.registry import Registry


class Tls(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers, cls.clients, cls.others = Authority("servers"), Authority("clients"), Authority("others")
        pair = cls.servers.issue("server", server=True)
        cls.client, cls.stranger = cls.clients.issue("client"), cls.others.issue("stranger")
        cls.open = Registry(tls=pair).__enter__()
        cls.closed = Registry(tls=pair, clients=cls.clients.cert).__enter__()
        for registry in (cls.open, cls.closed):
            cls.addClassCleanup(registry.__exit__, None, None, None)

    def table(self, host, *lines):
        return f'[registry."{host}"]\nhttp = false\n' + "".join(line + "\n" for line in lines)

    def certificate(self, pair):
        return f'[[registry."{self.closed.host}".keypair]]\nkey = "{pair[1]}"\ncert = "{pair[0]}"'

    def round(self, daemon, host):
        """Pushes to the registry and pulls from it again."""
        name = f"{host}/round-{daemon.user}:1"
        daemon.build({"Dockerfile": f"FROM {self.base}\nRUN echo there > /there\n"}, f"type=image,name={name},push=true")
        daemon.buildctl("prune", "--all")
        files = daemon.out("files")
        daemon.build({"Dockerfile": f"FROM {name}\nRUN cp /there /back\n"}, f"type=local,dest={files}")
        self.assertEqual(pathlib.Path(files, "back").read_text(), "there\n")

    def refused(self, daemon, host):
        answer = daemon.build({"Dockerfile": f"FROM {host}/base\n"}, check=False)
        self.assertNotEqual(answer.returncode, 0)
        return answer.err

    def test_authority(self):
        for user in self.both_users():
            with Daemon(user=user, config=self.table(self.open.host, f'ca = ["{self.servers.cert}"]'), flags=["--debug"]) as daemon:
                self.round(daemon, self.open.host)
                lines = [line for line in pathlib.Path(daemon.log_path).read_text().splitlines() if "http request" in line and self.open.host in line]
                # Reads speak HTTP/2, and connections are kept.
                self.assertTrue(all("http=2" in line for line in lines if re.search(r"method=(GET|HEAD)", line)), lines)
                self.assertTrue(any("connection=kept" in line for line in lines), lines)
            with Daemon(user=user, config=self.table(self.open.host)) as daemon:
                self.assertIn("failed to verify certificate", self.refused(daemon, self.open.host))
            with Daemon(user=user, config=self.table(self.open.host, "insecure = true")) as daemon:
                self.round(daemon, self.open.host)

    def test_client_certificates(self):
        ca = f'ca = ["{self.servers.cert}"]'
        for user in self.both_users():
            with Daemon(user=user, config=self.table(self.closed.host, ca, self.certificate(self.client))) as daemon:
                self.round(daemon, self.closed.host)
            # Of several the one is shown that the server asks for.
            with Daemon(user=user, config=self.table(self.closed.host, ca, self.certificate(self.stranger), self.certificate(self.client))) as daemon:
                self.round(daemon, self.closed.host)
        with Daemon(config=self.table(self.closed.host, ca)) as daemon:
            self.assertRegex(self.refused(daemon, self.closed.host), "wants a client certificate|failed sending data")
        with Daemon(config=self.table(self.closed.host, ca, self.certificate(("/missing.cert", "/missing.key")))) as daemon:
            self.assertIn("failed to load keypair for /missing.cert", self.refused(daemon, self.closed.host))

    def fill(self, directory, owner):
        os.makedirs(directory)
        shutil.copy(self.servers.cert, os.path.join(directory, "ca.crt"))
        shutil.copy(self.client[0], os.path.join(directory, "client.cert"))
        shutil.copy(self.client[1], os.path.join(directory, "client.key"))
        for path, _, files in os.walk(os.path.dirname(directory)):
            for name in [path, *(os.path.join(path, file) for file in files)]:
                shutil.chown(name, owner)
        return directory

    def test_directories(self):
        for user in self.both_users():
            directory = self.fill(os.path.join(machine.scratch("certs", user), "dir"), user)
            with Daemon(user=user, config=self.table(self.closed.host, f'tlsconfigdir = ["{directory}"]')) as daemon:
                self.round(daemon, self.closed.host)
        # The directory of the host below the daemon's own.
        settings = machine.scratch("settings", machine.USER)
        self.fill(os.path.join(settings, "buildkit/certs.d", self.closed.host), machine.USER)
        shutil.chown(os.path.join(settings, "buildkit"), machine.USER)
        with Daemon(user=machine.USER, config=self.table(self.closed.host), env={"XDG_CONFIG_HOME": settings}) as daemon:
            self.round(daemon, self.closed.host)

    def test_an_insecure_push(self):  # EXP-014
        with Daemon(config=self.table(self.open.host)) as daemon:
            daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"}, f"type=image,name={self.open.host}/insecure:1,push=true,registry.insecure=true")
            daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"}, f"type=image,name={self.registry.host}/insecure:1,push=true,registry.insecure=true")
