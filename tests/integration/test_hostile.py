"""What wrong and hostile clients, registries, images and disks do: the message names the cause, the daemon lives and nothing is
left behind. As root and as an ordinary user; every case ends with a build that works in the same process.
"""
import os
import pathlib
import socket
import stat
import struct
import subprocess
import tarfile
import time

from support import api, image, leaks, machine, registry
from support.api import Client, Graph, pb
from support.bad_registry import BadRegistry, tar
from support.case import Case
from support.daemon import Daemon

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


class Hostile(Case):
    def each(self, **options):
        """Daemons of both users; at the end of each the process is the first one, works, and holds no more open files than before."""
        for user in self.both_users():
            with Daemon(user=user, **options) as daemon:
                self.works(daemon)
                pid, files = daemon.daemon_pid(), leaks.open_files(daemon.daemon_pid())
                yield daemon
                self.works(daemon)
                self.assertEqual(daemon.daemon_pid(), pid)
                # A transfer keeps its connection for the next one (three sockets each, as many as there were at one time).
                more = lambda: {kind: count for kind, count in leaks.open_files(pid).items() if count > files.get(kind, 0) + (24 if kind.startswith("socket") else 2)}
                self.assertEqual(leaks.settle(more), {}, f"before: {files}")
                daemon.buildctl("prune-histories")  # records keep logs and manifests
                daemon.buildctl("prune", "--all")
                self.assertEqual(daemon.du(), [])
                for kind in ("content/blobs/sha256", "content/ingest", "snapshots", "tmp"):
                    self.assertEqual(os.listdir(os.path.join(daemon.root, kind)), [], kind)

    def works(self, daemon):
        daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})

    def fails(self, daemon, files, *words, extra=()):
        if isinstance(files, str):
            files = {"Dockerfile": files}
        failed = daemon.build(files, extra=extra, check=False, timeout=90)
        self.assertNotEqual(failed.returncode, 0, failed.err)
        for word in words:
            self.assertRegex(failed.err[-4000:], word)
        return failed.err

    # ---- Dockerfiles ----

    def test_dockerfiles(self):
        for daemon in self.each():
            self.fails(daemon, f"FROM {self.base}\nRUN <<EOF\nnever closed\n", r"unterminated heredoc")
            self.fails(daemon, f"FROM a AS b\nFROM b AS a\nCOPY --from=c / /\nFROM {self.base} AS c\nCOPY --from=a / /\n", r"\ba\b|circular")
            self.fails(daemon, f"FROM {self.base}\nRUNN x\n", r"unknown instruction: RUNN")
            self.fails(daemon, f"FROM {self.base}\nENV a=" + "${a:-" * 10000 + "}" * 10000 + "\n", r"Dockerfile|expan|nest|deep")
            self.fails(daemon, f"FROM {self.base}\nRUN a\0b\n", r"Dockerfile:2|null|NUL")
            self.fails(daemon, f"FROM {self.base}\nUSER 99999999999\nRUN true\n", r"99999999999")
            self.fails(daemon, f"FROM {self.base}\nRUN --mount=type=bind,source=../../etc,target=/x ls /x/passwd\n", r"etc|not found|No such")

    # ---- registries and images ----

    def test_registries_that_lie(self):
        flipped = lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
        with BadRegistry() as bad:
            for daemon in self.each():
                begin = time.monotonic()
                self.fails(daemon, f"FROM 127.0.0.1:{registry.free_port()}/down\n", r"(?i)connection refused|could not connect|couldn't connect")
                self.fails(daemon, f"FROM {bad.host}/nosuch\n", r"nosuch.*not found")
                for name, answer, word in (("truncated", lambda data: data[:5000], r"sha256:[0-9a-f]{64}|unexpected EOF|size"),
                                           ("empty", lambda data: b"", r"sha256:[0-9a-f]{64}|unexpected EOF|size"),
                                           ("altered", flipped, r"digest|sha256:[0-9a-f]{64}")):
                    with self.subTest(name):
                        ref = bad.add(name, [tar(("file", {}, os.urandom(300000)))], answer)
                        err = self.fails(daemon, f"FROM {ref}\nCOPY Dockerfile /x\n", word)
                        self.assertIn(name, err)
                        bad.answers.clear()
                        daemon.build({"Dockerfile": f"FROM {ref}\nCOPY Dockerfile /x\n"})  # nothing wrong was kept
                self.assertLess(time.monotonic() - begin, 120)

    def test_manifests_that_lie(self):
        layer = tar(("file", {}, b"x"))
        with BadRegistry() as bad:
            for daemon in self.each():
                for name, edit in (("size-negative", lambda m: m["layers"][0].update(size=-1)),
                                   ("size-huge", lambda m: m["layers"][0].update(size=2**63 - 1)),
                                   ("no-digest", lambda m: m["layers"][0].update(digest="sha256:../../../../etc/passwd")),
                                   ("unknown-kind", lambda m: m["layers"][0].update(mediaType="application/x-nosuch")),
                                   ("more-layers", lambda m: m["layers"].append(m["layers"][0])),
                                   ("no-config", lambda m: m.pop("config"))):
                    with self.subTest(name):
                        self.fails(daemon, f"FROM {bad.add(name, [layer], edit=edit)}\nCOPY Dockerfile /x\n", name)

    def test_layers_that_are_no_layers(self):
        with BadRegistry() as bad:
            for daemon in self.each():
                plain = os.urandom(4096)
                self.fails(daemon, f"FROM {bad.add('no-tar', [plain])}\nCOPY Dockerfile /x\n", r"no-tar|tar")
                self.fails(daemon, f"FROM {bad.add('no-gzip', [plain], raw=plain)}\nCOPY Dockerfile /x\n", r"no-gzip|gzip|magic")
                whole = tar(("file", {}, b"y" * 100000))
                self.fails(daemon, f"FROM {bad.add('cut', [whole[:50000]])}\nCOPY Dockerfile /x\n", r"unexpected EOF|tar|cut")

    def test_layers_stay_inside_of_their_root(self):
        outside = machine.scratch("outside")
        os.chmod(outside, 0o777)
        pathlib.Path(outside, "kept").write_text("kept")
        up = "../" * 20 + outside.lstrip("/")
        link = lambda name, to: (name, {"type": tarfile.SYMTYPE, "linkname": to}, b"")
        hard = lambda name, to: (name, {"type": tarfile.LNKTYPE, "linkname": to}, b"")
        layers = {
            "up": [(up + "/made", {}, b"x")],
            "up-inside": [("d", {"type": tarfile.DIRTYPE}, b""), ("d/" + up + "/made", {}, b"x")],
            "absolute": [(outside + "/made", {}, b"x")],
            "link": [link("l", outside), ("l/made", {}, b"x"), ("l/kept", {}, b"changed")],
            "link-up": [link("l", up), ("l/made", {}, b"x")],
            "links": [link("a", "b"), link("b", outside), ("a/made", {}, b"x")],
            "hard": [hard("h", up + "/kept"), ("h", {}, b"changed")],
            "hard-absolute": [hard("h", outside + "/kept")],
            "whiteout": [link("l", outside), ("l/.wh.kept", {}, b"")],
            "whiteout-up": [(up + "/.wh.kept", {}, b""), (".wh...", {}, b""), (".wh..", {}, b""), (".wh.", {}, b"")],
            "opaque": [link("l", outside), ("l/.wh..wh..opq", {}, b"")],
            "dots": [(".", {"type": tarfile.DIRTYPE}, b""), ("..", {"type": tarfile.DIRTYPE, "mode": 0o700}, b""), ("/", {"type": tarfile.DIRTYPE}, b"")],
        }
        base = image.layer()
        with BadRegistry() as bad:
            for daemon in self.each():
                for name, entries in layers.items():
                    with self.subTest(name):
                        done = daemon.build({"Dockerfile": f"FROM {bad.add(name, [base, tar(*entries)])}\nRUN true\n"}, check=False)
                        if done.returncode != 0:
                            self.assertRegex(done.err, rf"(?s){name}.*(link|path|outside|whiteout|layer|invalid)")
                        self.assertEqual(sorted(os.listdir(outside)), ["kept"])
                        self.assertEqual(pathlib.Path(outside, "kept").read_text(), "kept")
                        self.assertEqual(stat.S_IMODE(os.stat(outside).st_mode), 0o777)

    def test_devices_in_layers(self):
        """Root's image has them; in a user namespace they cannot be made and are left out, as the original does."""
        device = lambda name, kind, major, minor: (name, {"type": kind, "devmajor": major, "devminor": minor}, b"")
        layer = tar(device("null", tarfile.CHRTYPE, 1, 3), device("disk", tarfile.BLKTYPE, 7, 0), ("pipe", {"type": tarfile.FIFOTYPE}, b""), ("suid", {"mode": 0o4755}, b"x"))
        with BadRegistry() as bad:
            for daemon in self.each():
                ref = bad.add("devices", [image.layer(), layer])
                daemon.build({"Dockerfile": f"FROM {ref}\nRUN test -u /suid; if [ -e /disk ]; then ! dd if=/disk of=/x bs=1 count=1; fi\n"})
                self.fails(daemon, f"FROM {ref} AS a\nFROM {self.base}\nCOPY --from=a /nosuch /\n", r"nosuch.*not found")

    # ---- graphs ----

    def test_graphs(self):
        mkdir = (-1, -1, 0, {"mkdir": {"path": "/d", "mode": 0o755, "timestamp": -1}})

        def one(make):
            graph = Graph()
            return graph.definition(make(graph))

        def with_op(change):
            op = pb.Op()
            change(op)
            return one(lambda graph: graph.add(op))

        scratch = lambda graph: graph.file([], mkdir)
        run = lambda graph, **options: graph.run([graph.source(f"docker-image://{self.base}:latest")], "true", **options)
        cases = {
            "input is not there": (r"missing input digest sha256:0{64}", one(lambda g: ("sha256:" + "0" * 64))),
            "input of an op is not there": (r"missing input digest sha256:0{64}", one(lambda g: g.file(["sha256:" + "0" * 64], mkdir))),
            "input is no digest": (r"missing input digest \.\./\.\./etc/passwd", one(lambda g: g.file(["../../etc/passwd"], mkdir))),
            "output 7": (r"need 7 index but 1 results", one(lambda g: g.file([(scratch(g), 7)], (0, *mkdir[1:])))),
            "output -1": (r"output index -1", one(lambda g: g.file([(scratch(g), -1)], (0, *mkdir[1:])))),
            "output 2^31": (r"output index 2147483648", one(lambda g: (scratch(g), 2**31))),
            "mount of input 7": (r"mount ?input .*7", one(lambda g: run(g, mounts=[{"input": 7, "dest": "/x", "output": -1}]))),
            "mount of input -7": (r"mount ?input .*-7", one(lambda g: run(g, mounts=[{"input": -7, "dest": "/x", "output": -1}]))),
            "mount with output 2^40": (r"mount output index 1099511627776", one(lambda g: run(g, mounts=[{"input": -1, "dest": "/x", "output": 2**40}]))),
            "action of input 9": (r"action input index 9", one(lambda g: g.file([], (9, *mkdir[1:])))),
            "action of itself": (r"action input index 0", one(lambda g: g.file([], (0, *mkdir[1:])))),
            "action of a later one": (r"action input index 1", one(lambda g: g.file([], (1, -1, -1, mkdir[3]), mkdir))),
            "output of no action": (r"no outputs specified", one(lambda g: g.file([], (-1, -1, -1, mkdir[3])))),
            "network 99": (r"network mode 99", one(lambda g: run(g, network=99))),
            "mount type 77": (r"77 of MountType", one(lambda g: run(g, mounts=[{"input": -1, "dest": "/x", "output": -1, "mountType": 77}]))),
            "security 7": (r"security mode 7", with_op(lambda op: (op.exec.meta.args.append("x"), op.exec.mounts.add(input=-1, dest="/", output=0), setattr(op.exec, "security", 7)))),
            "exec without mounts": (r"exec op with no mounts", with_op(lambda op: op.exec.meta.args.append("x"))),
            "exec without arguments": (r"exec op with no meta", with_op(lambda op: op.exec.mounts.add(input=-1, dest="/", output=0))),
            "diff of nothing": (r"diff op with nil lower or upper", with_op(lambda op: op.diff.SetInParent())),
            "an op of no kind": (r"no support for", with_op(lambda op: None)),
            "garbage": (r"failed to parse llb proto op", pb.Definition(**{"def": [b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]})),
            "cut": (r"failed to parse llb proto op", pb.Definition(**{"def": [b"\x0a\x7fx"]})),
            "source of no scheme": (r"failed to parse nosuch", one(lambda g: g.source("nosuch"))),
            "source of unknown scheme": (r"unknown scheme nosuch", one(lambda g: g.source("nosuch://x"))),
        }
        for daemon in self.each():
            with Client(daemon) as client:
                for number, (name, (says, definition)) in enumerate(cases.items()):
                    with self.subTest(name, user=daemon.user):
                        code, text = client.refusal(client.control, "Solve", Ref=f"wrong{number}", Definition=definition)
                        self.assertNotIn(code.name, ("UNAVAILABLE", "DEADLINE_EXCEEDED"), text)
                        self.assertRegex(text, says)

    def test_graphs_of_many_operations(self):
        """A million operations is the limit; many that stand on one another are walked without recursion, and what is wrong at their end is said."""
        for daemon in self.each():
            with Client(daemon) as client:
                many = pb.Definition(**{"def": [b""] * 1_000_001})
                code, text = client.refusal(client.control, "Solve", Ref="many", Definition=many)
                self.assertRegex(text, r"1000001|1000000|too many")
                code, text = client.refusal(client.control, "Solve", Ref="deep", Definition=self.chain(400, output=3))
                self.assertRegex(text, r"need 3 index but 1 results")
                code, text = client.refusal(client.control, "Solve", Ref="deeper", Definition=self.chain(600))
                self.assertRegex(text, r"overlay of 5\d\d layers.*(fewer steps|native)")

    def chain(self, count, output=0):
        """A definition of `count` operations that change the same file, each on the one before."""
        graph, last, ops = Graph(), "", []
        for i in range(count):
            graph.ops = []  # a list that is searched at each addition
            last = graph.file([last] if i else [], (0 if i else -1, -1, 0, {"mkfile": {"path": "/f", "mode": 0o600, "data": b"%d" % i, "timestamp": -1}}))
            ops += graph.ops
        graph.ops, graph.metadata = ops, {}
        return graph.definition((last, output))

    # ---- clients ----

    def test_clients_that_vanish_in_mid_transfer(self):
        class Vanishing(api.Session):
            def upload(self, packets, context):
                for packet in super().upload(packets, context):
                    yield packet
                    if packet.type == api.fsutil.Packet.PACKET_DATA:
                        self.socket.shutdown(socket.SHUT_RDWR)

        for daemon in self.each():
            with Client(daemon) as client:
                session = Vanishing(client, "tests", {"context": {"big": os.urandom(4 << 20)}}, "", None, "")
                graph = Graph()
                local = graph.source("local://context", local_sessionid=session.id)
                begin = time.monotonic()
                code, text = client.refusal(client.control, "Solve", Ref="vanish", Session=session.id, Definition=graph.definition(local))
                session.close()
                self.assertLess(time.monotonic() - begin, 20)
                self.assertIn("the client's connection broke in the middle of this", text)

    def test_garbage_on_the_socket(self):
        frame = lambda kind, flags, stream, data=b"": struct.pack(">I", len(data))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + data
        flood = b"".join(frame(1, 4, 2 * i + 1, b"\x82\x86\x84\x41\x01x") + frame(3, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(20000))
        inputs = [b"", b"\0" * 100000, os.urandom(1 << 20), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE[:10], PREFACE, PREFACE + SETTINGS + os.urandom(1 << 16),
                  PREFACE + SETTINGS + b"\xff\xff\xff\1\4\0\0\0\1" + b"x" * 100000, PREFACE + SETTINGS + flood, PREFACE + SETTINGS * 100000,
                  PREFACE + SETTINGS + frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x40\x01a\x7f" + b"y" * 16000) * 200]
        for daemon in self.each():
            held = []
            for data in inputs:
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(5)
                s.connect(daemon.socket)
                held.append(s)
                try:
                    s.sendall(data)
                except OSError:
                    pass  # closed on us
            self.works(daemon)  # while they hang
            for s in held:
                s.close()

    # ---- the machine ----

    def test_two_daemons_on_one_root(self):
        for daemon in self.each():
            second = Daemon(user=daemon.user, root=daemon.root)
            second.start(wait=False)
            self.assertNotEqual(second.process.wait(20), 0)
            self.assertRegex(second.log(), r"could not lock .*buildkitd\.lock.*another daemon uses this directory")
            second.assert_clean()

    def test_a_full_disk(self):
        for user in self.both_users():
            where = machine.scratch("disk")
            disk, mounted = os.path.join(where, "image"), os.path.join(where, "mounted")
            os.mkdir(mounted)
            with open(disk, "wb") as file:
                file.truncate(96 << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True)
            subprocess.run(["mount", "-o", "loop", disk, mounted], check=True)
            try:
                subprocess.run(["chown", f"{user}:", mounted], check=True)
                with Daemon(user=user, root=os.path.join(mounted, "root")) as daemon:
                    self.works(daemon)
                    pid = daemon.daemon_pid()
                    free = lambda: os.statvfs(mounted).f_bavail * os.statvfs(mounted).f_frsize
                    big = os.urandom(100 << 20)
                    self.fails(daemon, f"FROM {self.base}\nRUN dd if=/dev/zero of=/big bs=1M count=200\n", r"(?i)no space left on device")
                    self.works(daemon)
                    self.fails(daemon, {"Dockerfile": f"FROM {self.base}\nCOPY big /\n", "big": big}, r"(?i)no space left on device")
                    self.works(daemon)
                    with BadRegistry() as good:
                        ref = good.add("big", [tar(("big", {}, b"z" * (120 << 20)))])
                        self.fails(daemon, f"FROM {ref}\nCOPY Dockerfile /x\n", r"(?i)no space left on device")
                    self.works(daemon)
                    daemon.build({"Dockerfile": f"FROM {self.base}\nRUN dd if=/dev/urandom of=/big bs=1M count=40\n"})
                    self.fails(daemon, f"FROM {self.base}\nRUN dd if=/dev/urandom of=/big bs=1M count=40\nRUN dd if=/dev/urandom of=/big2 bs=1M count=60\n", r"(?i)no space left on device")
                    daemon.buildctl("prune", "--all")
                    self.assertEqual(daemon.du(), [])
                    self.assertGreater(free(), 70 << 20)
                    self.works(daemon)
                    self.assertEqual(daemon.daemon_pid(), pid)
            finally:
                subprocess.run(["umount", mounted], check=False)
