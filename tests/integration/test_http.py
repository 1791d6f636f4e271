"""Files from web servers: ADD, build contexts and named contexts of both users' daemons, with servers that change, cut, redirect, lie.

Rows: each test names those it shows.
"""
import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import time

from support.api import Client, Graph
from support.case import Case, steps
from support.daemon import Daemon
from support.http_server import File, HttpServer

SECRET = "hunter2-and-more"


def tar(files, mode="w", kind=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1600000000, 0o640
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(entries):
    """A tar of entries that are members of tarfile.TarInfo by name, with their data."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for entry in entries:
            info, data = tarfile.TarInfo(), entry.get("data", b"")
            info.size = len(data)
            for key, value in entry.items():
                if key != "data":
                    setattr(info, key, value)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Http(Case):
    def each(self, **options):
        """(daemon, server) of root and of the ordinary user."""
        for user in self.both_users():
            with HttpServer() as web, Daemon(user=user, **options) as daemon:
                yield daemon, web

    def exported(self, daemon, dockerfile, **options):
        """What the build's root directory holds."""
        out = daemon.out("files")
        self.last = daemon.build({"Dockerfile": dockerfile}, f"type=local,dest={out}", **options)
        return out

    def read(self, directory, name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    def test_add(self):
        """SRC-037, SRC-038, SRC-046, INS rows of ADD: names, modes, owners, times, --link."""
        for daemon, web in self.each():
            web.files["/dir/f.txt"] = File(b"payload", headers={"Last-Modified": "Tue, 15 Nov 1994 12:45:26 GMT"})
            out = self.exported(daemon, f"FROM scratch\nADD {web.url}/dir/f.txt /plain/\nADD --chmod=751 {web.url}/dir/f.txt?q=1 /other\nADD --link {web.url}/dir/f.txt /linked/\n")
            self.assertEqual([self.read(out, name) for name in ("plain/f.txt", "other", "linked/f.txt")], [b"payload"] * 3)
            self.assertEqual(os.stat(out + "/plain/f.txt").st_mode & 0o7777, 0o600)
            self.assertEqual(os.stat(out + "/other").st_mode & 0o7777, 0o751)
            self.assertEqual(os.stat(out + "/plain/f.txt").st_mtime, 784903526)
            check = f"FROM {self.base}\nADD --chown=7:8 {web.url}/dir/f.txt /f\nRUN test \"$(stat -c %u:%g:%a /f)\" = 7:8:600\n"
            daemon.build({"Dockerfile": check})

    def test_unchanged_files_are_not_sent_again(self):
        """SRC-045: the second build asks with HEAD; a changed file is taken; other parts of the cache do not matter."""
        for daemon, web in self.each():
            web.files["/f"] = File(b"first", etag='"1"')
            dockerfile = f"FROM {self.base}\nADD {web.url}/f /f\nRUN cat /f > /copy\n"
            daemon.build({"Dockerfile": dockerfile})
            again = daemon.build({"Dockerfile": dockerfile})
            self.assertEqual(web.asked(), ["GET", "HEAD"])
            self.assertEqual([state for name, state in steps(again.err).items() if "RUN" in name], ["CACHED"])
            web.files["/f"] = File(b"second", etag='"2"')
            out = self.exported(daemon, dockerfile)
            self.assertEqual(self.read(out, "copy"), b"second")
            self.assertEqual(web.asked(), ["GET", "HEAD", "HEAD", "GET"])
            daemon.stop()
            daemon.start()
            daemon.build({"Dockerfile": dockerfile})
            self.assertEqual(web.asked()[4:], ["HEAD"])

    def test_checksums(self):
        """SRC-036: a wrong one fails, a right one is asked for once at all."""
        for daemon, web in self.each():
            web.files["/f"] = File(b"payload")
            right, wrong = (hashlib.sha256(data).hexdigest() for data in (b"payload", b"other"))
            failed = daemon.build({"Dockerfile": f"FROM scratch\nADD --checksum=sha256:{wrong} {web.url}/f /f\n"}, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn(f"digest mismatch sha256:{right}: sha256:{wrong}", failed.err)
            for _ in range(2):
                out = self.exported(daemon, f"FROM scratch\nADD --checksum=sha256:{right} {web.url}/f /f\n")
                self.assertEqual(self.read(out, "f"), b"payload")
            self.assertEqual(len(web.requests), 2)

    def test_cut_connections(self):
        """A cut answer goes on where it ended; one that never comes whole fails with what is missing."""
        for daemon, web in self.each():
            data = os.urandom(3 << 20)
            web.files["/big"] = File(data, etag='"big"', cut=1 << 20)
            out = self.exported(daemon, f"FROM scratch\nADD {web.url}/big /big\n")
            self.assertEqual(self.read(out, "big"), data)
            self.assertEqual([headers.get("range") for _, _, headers in web.requests], [None, f"bytes={1 << 20}-", f"bytes={2 << 20}-"])
            self.assertIn("continuing at byte 1048576", self.last.err)
            self.assertIn("downloading big", self.last.err)
            web.files["/lie"] = File(b"short", length=100)
            failed = daemon.build({"Dockerfile": f"FROM scratch\nADD {web.url}/lie /f\n"}, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn("unexpected EOF", failed.err)

    def test_cancelled_in_an_endless_answer(self):
        """hostile 41: the build ends with its client, and what was written goes with it."""
        for daemon, web in self.each():
            web.files["/zeros"] = File(endless=True)
            context = daemon.context({"Dockerfile": f"FROM scratch\nADD {web.url}/zeros /f\n"})
            begin = time.monotonic()
            ended = daemon.run(["timeout", "-s", "INT", "3", os.path.join(os.path.dirname(daemon.command()[-len(daemon.flags) - 1]), "buildctl"), "--addr", daemon.address, *daemon.build_args(context)], check=False)
            self.assertNotEqual(ended.returncode, 0)
            self.assertLess(time.monotonic() - begin, 30)
            end = time.monotonic() + 20
            while daemon.du() and time.monotonic() < end:
                time.sleep(0.2)
            self.assertEqual([record["description"] for record in daemon.du() if "http url" in record["description"]], [])

    def test_secrets(self):
        """SRC-041, SRC-049, hostile 34: by the host's name, to that host only; not in progress, cache, history or log; not for others."""
        for user in self.both_users():
            with HttpServer() as web, HttpServer() as other, Daemon(user=user, flags=["--debug"]) as daemon:
                web.files["/f"] = File(b"private", etag='"p"', needs="Bearer " + SECRET)
                web.files["/away"] = File(status=302, headers={"Location": other.url + "/target"}, needs="Bearer " + SECRET)
                other.files["/target"] = File(b"elsewhere")
                context = daemon.context({"Dockerfile": f"FROM scratch\nADD {web.url}/f /f\nADD {web.url}/away /away\n", "token": SECRET})
                refused = daemon.build(context, check=False)
                self.assertIn("invalid response status 401", refused.err)
                out = daemon.out("files")
                made = daemon.build(context, f"type=local,dest={out}", extra=["--secret", f"id=HTTP_AUTH_TOKEN_127.0.0.1,src={context}/token"])
                self.assertEqual((self.read(out, "f"), self.read(out, "away")), (b"private", b"elsewhere"))
                self.assertNotIn("authorization", other.requests[0][2])
                refused = daemon.build(context, check=False)
                self.assertIn("invalid response status 401", refused.err, "the copy of another build is not for everybody")
                self.assertEqual(self.find(daemon.root, SECRET.encode()), [])
                named = f"http://user:{SECRET}@{web.host}/named"
                web.files["/named"] = File(b"x", etag='"n"')
                shown = daemon.build({"Dockerfile": f"FROM scratch\nADD {named} /f\n"})
                for text in (made.err, refused.err, shown.err, daemon.log(), daemon.buildctl("du", "-v").out):
                    self.assertNotIn(SECRET, text)

    def find(self, root, needle):
        found = []
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        if needle in file.read():
                            found.append(path)
        return found

    def test_redirects(self):
        """hostile 41: not to files, metadata services, or in circles."""
        for daemon, web in self.each():
            for target, text in (("file:///etc/passwd", "unsupported protocol scheme"), ("http://169.254.169.254/latest", "is refused"), ("/f", "stopped after 10 redirects")):
                web.files["/f"] = File(status=302, headers={"Location": target})
                failed = daemon.build({"Dockerfile": f"FROM scratch\nADD {web.url}/f /f\n"}, check=False)
                self.assertNotEqual(failed.returncode, 0)
                self.assertIn(text, failed.err)

    def test_tls(self):
        """Servers are believed by SSL_CERT_FILE of the daemon; without it they are refused."""
        with HttpServer(tls=True) as web:
            web.files["/f"] = File(b"over tls")
            for user in self.both_users():
                with Daemon(user=user) as daemon:
                    failed = daemon.build({"Dockerfile": f"FROM scratch\nADD {web.url}/f /f\n"}, check=False)
                    self.assertIn("failed to verify certificate", failed.err)
                with Daemon(user=user, env={"SSL_CERT_FILE": web.authority}) as daemon:
                    out = self.exported(daemon, f"FROM scratch\nADD {web.url}/f /f\n")
                    self.assertEqual(self.read(out, "f"), b"over tls")

    def test_archives(self):
        """ADD --unpack of every kind; without it an archive stays one; names in archives stay below the target."""
        plain = tar({"dir/f": b"unpacked"})
        kinds = {"tar": plain, "tgz": gzip.compress(plain), "tbz": bz2.compress(plain), "txz": lzma.compress(plain)}
        for daemon, web in self.each():
            lines = ["FROM scratch"]
            for name, data in kinds.items():
                web.files["/" + name] = File(data)
                lines += [f"ADD --unpack {web.url}/{name} /{name}/", f"ADD {web.url}/{name} /kept/"]
            out = self.exported(daemon, "\n".join(lines) + "\n")
            for name, data in kinds.items():
                self.assertEqual(self.read(out, name + "/dir/f"), b"unpacked")
                self.assertEqual(self.read(out, "kept/" + name), data)

    def test_hostile_archives(self):
        """hostile 49, 50, 51, 57: names, links and devices of an archive stay below the target or end the build."""
        link = lambda name, target, kind: {"name": name, "type": kind, "linkname": target}
        evil = {
            "names": [{"name": "../../escaped", "data": b"x"}],
            "absolute": [{"name": "/escaped", "data": b"x"}],
            "through": [link("out", "/", tarfile.SYMTYPE), {"name": "out/escaped", "data": b"x"}],
            "upwards": [link("out", "../../..", tarfile.SYMTYPE), {"name": "out/escaped", "data": b"x"}],
            "hard": [link("passwd", "/etc/passwd", tarfile.LNKTYPE)],
            "harder": [link("out", "/etc", tarfile.SYMTYPE), link("passwd", "out/passwd", tarfile.LNKTYPE)],
            "device": [{"name": "null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}],
        }
        for daemon, web in self.each():
            for name, entries in evil.items():
                web.files["/" + name] = File(archive(entries))
                out = daemon.out("files")
                done = daemon.build({"Dockerfile": f"FROM scratch\nADD --unpack {web.url}/{name} /a/b/\n"}, f"type=local,dest={out}", check=False)
                inside = [os.path.relpath(os.path.join(at, file), out) for at, _, files in os.walk(out) for file in files]
                if name == "device":
                    self.assertEqual(inside, ["a/b/null"] if daemon.user == "root" else [])
                else:
                    self.assertEqual((done.returncode, inside), (1, []) if name.startswith("hard") else (0, ["a/b/escaped"]), name)

    def test_hostile_answers(self):
        """hostile 41: an encoding that does not end, names that lead upwards, headers of the user in two lines; the next build works."""
        for daemon, web in self.each():
            bomb = gzip.compress(bytes(1 << 20)) * 3
            web.files["/bomb"] = File(bomb[:-10], headers={"Content-Encoding": "gzip"})
            failed = daemon.build({"Dockerfile": f"FROM scratch\nADD {web.url}/bomb /f\n"}, check=False)
            self.assertNotEqual(failed.returncode, 0)
            web.files["/named"] = File(b"x", headers={"Content-Disposition": 'attachment; filename="../../a"'})
            graph, out = Graph(), daemon.out("files")
            source = graph.source(web.url + "/named")
            daemon.buildctl("build", "--output", f"type=local,dest={out}", stdin=graph.definition(source).SerializeToString())
            self.assertEqual(os.listdir(out), ["a"])
            for value in ("a\r\nX-Own: 1", "a\nb"):
                graph = Graph()
                source = graph.source(web.url + "/named", **{"http_header_user-agent": value})
                failed = daemon.buildctl("build", check=False, stdin=graph.definition(source).SerializeToString())
                self.assertNotEqual(failed.returncode, 0)
            self.assertFalse(any("x-own" in headers for _, _, headers in web.requests))

    def test_contexts(self):
        """DFE rows of remote contexts: an archive with its Dockerfile, a Dockerfile alone, a subdirectory, a named context."""
        for daemon, web in self.each():
            inside = {"Dockerfile": b"FROM scratch\nCOPY data /\nCOPY --from=more context /more\n", "data": b"from the archive", "sub/data": b"from below", "sub/Dockerfile": b"unused"}
            web.files["/c.tgz"] = File(tar(inside, "w:gz"))
            web.files["/c.tar"] = File(tar(inside))
            web.files["/Dockerfile"] = File(b"FROM scratch\nCOPY context /itself\n")
            web.files["/more"] = File(b"named")
            base = ["build", "--progress=plain", "--frontend", "dockerfile.v0", "--opt", f"context:more={web.url}/more"]
            for name, opts, want in (("c.tgz", [], "from the archive"), ("c.tar", [], "from the archive"), ("c.tgz", ["--opt", "contextsubdir=/sub"], "from below")):
                out = daemon.out("files")
                daemon.buildctl(*base, "--opt", f"context={web.url}/{name}", *opts, "--output", f"type=local,dest={out}")
                self.assertEqual((self.read(out, "data").decode(), self.read(out, "more")), (want, b"named"))
            out = daemon.out("files")
            daemon.buildctl(*base, "--opt", f"context={web.url}/Dockerfile", "--output", f"type=local,dest={out}")
            self.assertEqual(self.read(out, "itself"), web.files["/Dockerfile"].data)
            missing = daemon.buildctl(*base, "--opt", f"context={web.url}/missing", check=False)
            self.assertIn("invalid response status 404", missing.err)

    def test_uploads(self):
        """SRC-047: a context that the client holds ready is read through its session."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Client(daemon) as client, client.session() as session:
                data = os.urandom(3 << 20)
                session.uploads["abc"] = data
                graph = Graph()
                source = graph.source("http://buildkit-session/abc", http_filename="context")
                with client.frontend("upload-" + str(time.monotonic_ns()), Session=session.id) as frontend:
                    ref = frontend.solve(graph.definition(source))
                    self.assertEqual(frontend.stat(ref, "/context").size, len(data))
                self.assertEqual(session.headers["urlhost"], ["buildkit-session"])
                code, text = client.refusal(self.upload_missing, client, session)
                self.assertIn("no http response from session", text)

    def upload_missing(self, client, session):
        graph = Graph()
        with client.frontend("upload-" + str(time.monotonic_ns()), Session=session.id) as frontend:
            frontend.stat(frontend.solve(graph.definition(graph.source("http://buildkit-session/gone"))), "/gone")
