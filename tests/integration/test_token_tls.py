"""A registry's token server behind TLS of its own: --registry-auth-tlscontext of buildctl. [CTL-031]"""
import base64
import json
import os
import pathlib
import ssl
import tempfile

from support.case import Case
from support.certificates import Authority
from support.daemon import Daemon
from support.token_registry import TokenRegistry


class TokenTls(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers, cls.clients = Authority("servers"), Authority("clients")
        cls.pair = cls.servers.issue("server", server=True)
        cls.client = cls.clients.issue("client")

    def tls(self, clients=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair)
        if clients:
            context.load_verify_locations(clients.cert)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def pull(self, daemon, registry, *contexts, credentials=""):
        directory = tempfile.mkdtemp(dir=daemon.dir)
        auths = {registry.host: {"auth": base64.b64encode(credentials.encode()).decode()}} if credentials else {}
        pathlib.Path(directory, "config.json").write_text(json.dumps({"auths": auths}))
        os.chmod(directory, 0o777)
        os.chmod(os.path.join(directory, "config.json"), 0o644)
        extra = [word for context in contexts for word in ("--registry-auth-tlscontext", context)]
        return daemon.build({"Dockerfile": f"FROM {registry.host}/some/image\nCOPY Dockerfile /\n"}, check=False, extra=extra, env={"DOCKER_CONFIG": directory})

    def test_token_server(self):
        for user in self.both_users():
            with TokenRegistry("", "", tls=self.tls()) as tokens, TokenRegistry("", "", tokens=tokens.tokens) as registry, Daemon(user=user) as daemon:
                refused = self.pull(daemon, registry, credentials="me:secret")
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn(tokens.tokens, refused.err)
                other = self.pull(daemon, registry, f"host=elsewhere,ca={self.servers.cert}", credentials="me:secret")
                self.assertNotEqual(other.returncode, 0)
                missing = self.pull(daemon, registry, f"host={registry.host},ca=/nothing", credentials="me:secret")
                self.assertIn("failed to read certificate authority", missing.err)
                done = self.pull(daemon, registry, f"host={registry.host},ca={self.servers.cert}", credentials="me:secret")
                self.assertEqual(done.returncode, 0, done.err)
                daemon.buildctl("prune", "--all")

    def test_client_certificates(self):
        with TokenRegistry("", "", tls=self.tls(self.clients)) as tokens, TokenRegistry("", "", tokens=tokens.tokens) as registry, Daemon() as daemon:
            host, ca, pair = f"host={registry.host}", f"ca={self.servers.cert}", f"cert={self.client[0]},key={self.client[1]}"
            self.assertNotEqual(self.pull(daemon, registry, f"{host},{ca}", credentials="me:secret").returncode, 0)
            done = self.pull(daemon, registry, f"{host},{ca},{pair}", credentials="me:secret")
            self.assertEqual(done.returncode, 0, done.err)

    def test_insecure(self):
        with TokenRegistry("", "", tls=self.tls()) as tokens, TokenRegistry("", "", tokens=tokens.tokens) as registry, Daemon() as daemon:
            done = self.pull(daemon, registry, f"host={registry.host},insecure=true", credentials="me:secret")
            self.assertEqual(done.returncode, 0, done.err)


if __name__ == "__main__":
    import unittest
    unittest.main()
