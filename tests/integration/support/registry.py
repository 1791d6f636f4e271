"""Debian's docker-registry on a free loopback port, with or without credentials, TLS and client certificates."""
import os
import pathlib
import socket
import subprocess
import time

from . import machine


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Registry:
    """`tls`: (certificate, key) of the server; `clients`: authority of the certificates that clients must have."""

    def __init__(self, htpasswd="", tls=None, clients="", port=0):
        self.dir = machine.scratch("registry")
        self.host = f"127.0.0.1:{port or free_port()}"
        more = f"  tls:\n    certificate: {tls[0]}\n    key: {tls[1]}\n" if tls else ""
        more += f"    clientcas:\n      - {clients}\n" if clients else ""
        if htpasswd:
            pathlib.Path(self.dir, "htpasswd").write_text(htpasswd)
            more += f"auth:\n  htpasswd:\n    realm: test\n    path: {self.dir}/htpasswd\n"
        pathlib.Path(self.dir, "config.yml").write_text(
            f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {self.dir}/data\n  delete:\n    enabled: true\nhttp:\n  addr: {self.host}\n{more}")
        self.process = None

    def __enter__(self):
        log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", os.path.join(self.dir, "config.yml")], stdout=log, stderr=log)
        log.close()
        address, _, port = self.host.partition(":")
        for _ in range(400):
            try:
                socket.create_connection((address, int(port)), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("docker-registry does not start: " + pathlib.Path(self.dir, "log").read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
