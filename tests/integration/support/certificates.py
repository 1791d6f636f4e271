"""Authorities and certificates for tests, made with openssl."""
import os
import subprocess
import threading

from . import machine


def run(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """`ca = Authority("servers"); cert, key = ca.issue("localhost", server=True)`: paths; all may be read by everybody."""

    def __init__(self, name):
        self.serial = threading.Lock()  # a file of openssl's
        self.dir = machine.scratch("authority")
        self.cert, self.key = os.path.join(self.dir, "ca.pem"), os.path.join(self.dir, "ca.key")
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def issue(self, name, server=False, addresses=()):
        key, request, cert, extensions = (os.path.join(self.dir, f"{name}.{kind}") for kind in ("key", "csr", "cert", "ext"))
        with open(extensions, "w") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1" + "".join(f",IP:{address}" for address in addresses) + "\nextendedKeyUsage=serverAuth\n" if server else "extendedKeyUsage=clientAuth\n")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        with self.serial:
            run("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", cert)
        os.chmod(key, 0o644)
        return cert, key
