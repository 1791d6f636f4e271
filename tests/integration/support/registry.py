"""Debian's docker-registry on a free loopback port, with or without credentials."""
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

from . import machine


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Registry:
    def __init__(self, htpasswd=""):
        self.dir = machine.scratch("registry")
        self.host = f"127.0.0.1:{free_port()}"
        auth = ""
        if htpasswd:
            pathlib.Path(self.dir, "htpasswd").write_text(htpasswd)
            auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {self.dir}/htpasswd\n"
        pathlib.Path(self.dir, "config.yml").write_text(
            f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {self.dir}/data\n  delete:\n    enabled: true\nhttp:\n  addr: {self.host}\n{auth}")
        self.process = None

    def __enter__(self):
        log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", os.path.join(self.dir, "config.yml")], stdout=log, stderr=log)
        log.close()
        for _ in range(400):
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/")
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("docker-registry does not start: " + pathlib.Path(self.dir, "log").read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
