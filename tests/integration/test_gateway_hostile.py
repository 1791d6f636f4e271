"""A hostile frontend over LLBBridge, to root's daemon and the ordinary user's: what it asks is refused with a message that names it, or
stays inside; the daemon lives, and the next build works. Hostile inputs 4, 5, 8 to 11, 31 and 67. Rows: each test names those it shows.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import queue
import time

import grpc

from support import api, frontend_image, leaks, machine
from support.api import control, gateway, pb
from support.api_case import ApiCase
from support.daemon import Daemon
from test_progress import on_a_terminal

METADATA = lambda ref: ((api.BUILD_ID, ref),)


class GatewayHostile(ApiCase):
    def each(self, **options):
        """As ApiCase.each; at the end of each the process is the first one and holds no more open files than before."""
        for daemon, client in super().each(**options):
            self.works(client)
            pid, files = daemon.daemon_pid(), leaks.open_files(daemon.daemon_pid())
            yield daemon, client
            self.works(client)
            self.assertEqual(daemon.daemon_pid(), pid)
            more = lambda: {kind: count for kind, count in leaks.open_files(pid).items() if count > files.get(kind, 0) + (24 if kind.startswith("socket") else 2)}
            self.assertEqual(leaks.settle(more), {}, f"before: {files}")

    def works(self, client):
        self.assertEqual(self.made(client, *self.step("echo works > /f"), "/f"), "works\n")

    def step(self, script):
        graph = api.Graph()
        return graph, graph.run([self.image(graph)], script)

    def tree(self, build, script="true"):
        graph, last = self.step(script)
        return build.solve(graph.definition(last))

    def host_file(self):
        """A directory of this machine with a file that nobody in a build may see."""
        outside = machine.scratch("outside")
        os.chmod(outside, 0o777)
        pathlib.Path(outside, "kept").write_text("of the host")
        return outside

    def test_messages_over_the_limit(self):
        """INF-025, RPC-027: what is asked in one message, and what an answer would be."""
        for daemon, client in self.each():
            with client.frontend("large") as build:
                ref = self.tree(build, "dd if=/dev/zero of=/exact bs=1M count=16 2> /dev/null; dd if=/dev/zero of=/more bs=1M count=17 2> /dev/null; mkdir /d; cd /d; seq 1 1000 | while read i; do : > $i; done")
                for name, size in (("exact", 16 << 20), ("more", 17 << 20)):
                    code, text = client.refusal(build.call, "ReadFile", Ref=ref, FilePath=name)
                    self.assertRegex(text, rf"read {name}: {size} bytes are more than .* \(ask for ranges\)")
                part = gateway.FileRange(Offset=(17 << 20) - 3, Length=2**62)
                self.assertEqual(len(build.call("ReadFile", Ref=ref, FilePath="more", Range=part).Data), 3)
                with grpc.insecure_channel("unix:" + daemon.socket, options=[("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]) as wide:
                    code, text = client.refusal(wide.unary_unary("/moby.buildkit.v1.frontend.LLBBridge/Solve"), b"\x0a\x80\x80\x80\x09" + b"a" * (18 << 20), metadata=METADATA("large"), timeout=60)
                self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertEqual(len(build.names(ref, "/d")), 1000)

    def test_a_result_is_returned_once(self):
        """RPC-029: of several at once one is taken; what is neither a result nor an error is refused."""
        for daemon, client in self.each():
            solving = client.solve("once", Exporters=[control.Exporter(Type="image", Attrs={"name": "example.com/once:1"})])
            build = api.Frontend(client, "once", solving)
            self.assertIn("gateway return must be either result or err", client.refusal(build.call, "Return")[1])
            ref = self.tree(build)
            self.assertIn("return reference nosuch not found", client.refusal(build.call, "Return", result=gateway.Result(ref=gateway.Ref(id="nosuch")))[1])
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = [pool.submit(build.call, "Return", result=gateway.Result(ref=gateway.Ref(id=ref))) for _ in range(8)]
            refused = [answer.exception() for answer in answers if answer.exception()]
            self.assertEqual(len(refused), 7)
            for error in refused:
                self.assertRegex(error.details(), "gateway result is already set|no such job once|the build is over")
            self.assertIn("containerimage.digest", solving.result(60).ExporterResponse)
            self.assertIn("no such job once", client.refusal(build.call, "Ping")[1])

    def test_refs_of_other_builds(self):
        """RPC-021, DFE-118: by every call that takes a ref or a container."""
        for daemon, client in self.each():
            with client.frontend("mine") as mine, client.frontend("theirs") as theirs:
                ref = self.tree(theirs)
                theirs.call("NewContainer", ContainerID="c", Mounts=[pb.Mount(dest="/", resultID=ref)])
                for id in (ref, "../" + ref, "", "\0", "x" * 5000, "c"):
                    for method, fields in (("ReadFile", dict(FilePath="x")), ("ReadDir", dict(DirPath="/")), ("StatFile", dict(Path="x")), ("Evaluate", {})):
                        code, text = client.refusal(mine.call, method, Ref=id, **fields)
                        self.assertIn("no such ref: ", text)
                for id in ("c", "../c", "", "\0", "c/../c"):
                    for method, fields in (("ReadFileContainer", dict(FilePath="/x")), ("ReadDirContainer", dict(DirPath="/")), ("StatFileContainer", dict(Path="/x"))):
                        self.assertIn("not found", client.refusal(mine.call, method, Ref=id, **fields)[1])
                    self.assertIn("not found", client.refusal(mine.call, "ReleaseContainer", ContainerID=id)[1])
                    with Stream(mine) as stream:
                        stream.init("p", id)
                        self.assertEqual(stream.refusal()[0], grpc.StatusCode.NOT_FOUND)
                for id in ("", "x" * 257, "x" * 5000):
                    self.assertIn("needs an id of at most 256 bytes", client.refusal(theirs.call, "NewContainer", ContainerID=id, Mounts=[pb.Mount(dest="/", resultID=ref)])[1])
                for id in ("../../../../tmp/x", "/etc", "a\0b", "..", "."):
                    theirs.call("NewContainer", ContainerID=id, Mounts=[pb.Mount(dest="/", resultID=ref)])
                    with Stream(theirs) as stream:
                        stream.init("p", id)
                        self.assertEqual(stream.end("p"), (0, ""))
                    theirs.call("ReleaseContainer", ContainerID=id)

    def test_paths_that_lead_out(self):
        """INF-032, DFE-119: links and .. of a tree, in reads of refs and containers, and as selectors of mounts."""
        for daemon, client in self.each():
            outside = self.host_file()
            with client.frontend("out") as build:
                ref = self.tree(build, f"mkdir /t && ln -s {outside} /t/abs && ln -s ../../../../../../../../..{outside} /t/rel && ln -s / /t/root && ln -s loop2 /t/loop && ln -s loop /t/loop2; mkfifo /t/fifo")
                container = lambda name, *mounts: build.call("NewContainer", ContainerID=name, Mounts=[pb.Mount(dest="/", resultID=ref), *mounts])
                container("c", pb.Mount(dest="/m", resultID=ref))
                up = "../" * 30 + outside.lstrip("/")
                paths = ["/t/abs/kept", "/t/rel/kept", f"/t/root/{outside}/kept", f"/t/root/proc/../{up}/kept", f"/{up}/kept", f"/t/../{up}/kept", "/t/loop", "/t/loop/kept"]
                for path in paths:
                    for method, fields in (("ReadFile", dict(FilePath=path)), ("StatFile", dict(Path=path)), ("ReadDir", dict(DirPath=os.path.dirname(path) if "loop" not in path else path))):
                        for call, more in ((method, dict(Ref=ref)), (method + "Container", dict(Ref="c")), (method + "Container", dict(Ref="c", MountIndex=1))):
                            if method == "StatFile" and path == "/t/loop":
                                continue
                            with self.subTest(call=call, path=path):
                                code, text = client.refusal(build.call, call, **more, **fields)
                                self.assertRegex(text, "(?i)no such file or directory|too many levels|not a directory")
                for path in ("/t/fifo", "/t", "/dev/null"):
                    self.assertRegex(client.refusal(build.read, ref, path)[1], "is not a regular file|no such file")
                for offset, length in ((-1, 5), (0, -1), (-(2**63), 2**63 - 1), (-5, -5)):
                    code, text = client.refusal(build.call, "ReadFile", Ref=ref, FilePath="/etc/passwd", Range=gateway.FileRange(Offset=offset, Length=length))
                    self.assertIn(f"invalid file range {offset}+{length}", text)
                for offset, length in ((1 << 30, 5), (2**63 - 1, 2**63 - 1), (3, 0)):
                    self.assertEqual(build.call("ReadFile", Ref=ref, FilePath="/etc/passwd", Range=gateway.FileRange(Offset=offset, Length=length)).Data, b"")
                for index in (-1, 2, 2**31 - 1, -(2**31)):
                    self.assertIn("out of bounds", client.refusal(build.call, "StatFileContainer", Ref="c", Path="/t", MountIndex=index)[1])
                for number, selector in enumerate(("/t/abs", "/t/rel", "t/root" + outside, up, "/" + up, outside, "/t/loop")):
                    with self.subTest(selector=selector):
                        name = f"selected{number}"
                        try:
                            container(name, pb.Mount(dest="/m", resultID=ref, selector=selector))
                        except grpc.RpcError as refused:
                            self.assertRegex(refused.details(), "(?i)no such file|too many levels|not found|not a directory")
                            continue
                        with Stream(build) as stream:
                            stream.init("p", name, args=["sh", "-c", "cat /m/kept; true"], fds=[1, 2])
                            code, error = stream.end("p")
                        self.assertNotIn("of the host", stream.text)
                        self.assertTrue(code == 0 or error, "a reason")
                        with contextlib.suppress(grpc.RpcError):
                            build.call("ReleaseContainer", ContainerID=name)
            self.assertEqual(os.listdir(outside), ["kept"])

    def test_users_that_make_no_sense(self):
        """DFE-117: numbers mean numbers, what is no user is refused, and never root in its place (CVE-2026-46680, CVE-2026-30892)."""
        for daemon, client in self.each():
            with client.frontend("users") as build:
                ref = self.tree(build, "echo '1234:x:0:0::/:/bin/sh' >> /etc/passwd; echo '1234:x:0:' >> /etc/group")
                for number, user in enumerate(("-1", "4294967296", "99999999999999999999", "nobody-here", "0x0", "1:-1", "1:4294967296", "root:nosuch", " 0", "0\n", "\0", "../etc", "u" * 5000)):
                    with self.subTest(user=user[:30]):
                        name = f"u{number}"
                        build.call("NewContainer", ContainerID=name, Mounts=[pb.Mount(dest="/", resultID=ref)])
                        with Stream(build) as stream:  # the first process, and one that joins
                            stream.init("first", name, args=["sh", "-c", "cat; exit 3"], fds=[0, 1])
                            stream.init("p", name, args=["sh", "-c", "id -u; id -g"], fds=[1], user=user)
                            code, error = stream.end("p")
                        self.assertNotEqual(code, 0, stream.text)
                        self.assertEqual(stream.text, "")
                        self.assertTrue(error)
                        build.call("NewContainer", ContainerID=name + "alone", Mounts=[pb.Mount(dest="/", resultID=ref)])
                        with Stream(build) as stream:
                            stream.init("p", name + "alone", args=["sh", "-c", "id -u; id -g"], fds=[1], user=user)
                            code, error = stream.end("p")
                        self.assertEqual((code, stream.text), (255, ""), error)
                        self.assertTrue(error)
                build.call("NewContainer", ContainerID="number", Mounts=[pb.Mount(dest="/", resultID=ref)])
                with Stream(build) as stream:
                    stream.init("p", "number", args=["sh", "-c", "id -u; id -g"], fds=[1], user="1234:1234")
                    self.assertEqual((*stream.end("p"), stream.text), (0, "", "1234\n1234\n"))

    def test_processes_out_of_order(self):
        """DFE-117, DFE-121: messages that no process is there for, again and again; the container goes on."""
        for daemon, client in self.each():
            with client.frontend("order") as build:
                build.call("NewContainer", ContainerID="c", Mounts=[pb.Mount(dest="/", resultID=self.tree(build))])
                with Stream(build) as first:
                    first.init("pid1", "c", args=["sh", "-c", "cat"], fds=[0, 1])
                    first.send("pid1", File=gateway.FdMessage(Fd=0, Data=b"x"))
                    while "x" not in first.text:
                        first.step()
                    file = lambda **fields: dict(File=gateway.FdMessage(**fields))
                    code = grpc.StatusCode
                    refused = [(dict(id="p", **file(Fd=0, Data=b"early")), code.NOT_FOUND), (dict(id="p", Resize=gateway.ResizeMessage(Rows=1, Cols=1)), code.NOT_FOUND),
                               (dict(id="p", Signal=gateway.SignalMessage(Name="TERM")), code.NOT_FOUND), (dict(id="", **file(Fd=0)), code.INVALID_ARGUMENT),
                               (dict(id="p", Exit=gateway.ExitMessage(Code=0)), code.NOT_FOUND), (dict(id="x" * 5000, Done=gateway.DoneMessage()), code.NOT_FOUND)]
                    for fields, expected in refused:
                        with Stream(build) as stream:
                            stream.send(**fields)
                            self.assertEqual(stream.refusal()[0], expected, fields)
                    started = [(file(Fd=7, Data=b"x"), code.OUT_OF_RANGE), (file(Fd=1, Data=b"x"), code.OUT_OF_RANGE), (file(Fd=2**32 - 1, EOF=True), code.OUT_OF_RANGE),
                               (dict(Signal=gateway.SignalMessage(Name="NOSUCH")), code.INVALID_ARGUMENT), (dict(Signal=gateway.SignalMessage(Name="RTMIN+99")), code.INVALID_ARGUMENT),
                               (dict(Init=gateway.InitMessage(ContainerID="c")), code.ALREADY_EXISTS)]
                    for fields, expected in started:
                        with Stream(build) as stream:
                            stream.init("p", "c", args=["cat"], fds=[0, 1])
                            stream.send("p", **fields)
                            self.assertEqual(stream.refusal()[0], expected, fields)
                    with Stream(build) as stream:  # without arguments
                        stream.send("p", Init=gateway.InitMessage(ContainerID="c", Meta=pb.Meta(cwd="/")))
                        self.assertRegex(stream.refusal()[1], "no arguments")
                    with Stream(build) as stream:  # what a client has no business to send is passed over, what comes too late too
                        stream.init("p", "c", args=["sh", "-c", "head -c 3"], fds=[0, 1])
                        for number in range(300):
                            stream.send("p", **[dict(Exit=gateway.ExitMessage(Code=9)), dict(Done=gateway.DoneMessage()), dict(Started=gateway.StartedMessage()), dict(Resize=gateway.ResizeMessage(Rows=2**32 - 1, Cols=0))][number % 4])
                        stream.send("p", **file(Fd=0, Data=b"abc", EOF=True))
                        self.assertEqual((*stream.end("p"), stream.text), (0, "", "abc"))
                        for number in range(300):
                            stream.send("p", **[file(Fd=0, Data=b"late" * 1000), file(Fd=0, EOF=True), dict(Signal=gateway.SignalMessage(Name="KILL"))][number % 3])
                        stream.init("q", "c", args=["echo", "still"], fds=[1, 1, 1])
                        self.assertEqual((*stream.end("q"), stream.text), (0, "", "abcstill\n"))
                    first.send("pid1", **file(Fd=0, EOF=True))
                    self.assertEqual(first.end("pid1"), (0, ""))
                build.call("ReleaseContainer", ContainerID="c")
                with Stream(build) as stream:
                    stream.init("p", "c")
                    self.assertEqual(stream.refusal(), (grpc.StatusCode.NOT_FOUND, 'container "c" previously released or not created'))

    def test_streams_that_nobody_reads(self):
        """DFE-121: neither a client that does not read what a process writes, nor a process that does not read what a client types, holds up the end of the build."""
        for daemon, client in self.each():
            with client.frontend("unread") as build:
                build.call("NewContainer", ContainerID="c", Mounts=[pb.Mount(dest="/", resultID=self.tree(build))])
                writes, reads = Stream(build), Stream(build)
                writes.init("writes", "c", args=["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /n; head -c 100000 /dev/zero; done"], fds=[1])
                writes.step()
                reads.init("reads", "c", args=["sh", "-c", "sleep 600 & sleep 600"], fds=[0])
                reads.step()
                for _ in range(40):
                    reads.send("reads", File=gateway.FdMessage(Fd=0, Data=b"x" * (1 << 20)))
                written = lambda: build.call("ReadFileContainer", Ref="c", FilePath="/n").Data if "n" in [entry.path for entry in build.call("ReadDirContainer", Ref="c", DirPath="/").entries] else b""
                before = None
                while not before or written() != before:  # until nothing more finds room on the way
                    before = written()
                    time.sleep(0.5)
            self.assertEqual(build.response.ExporterResponse, {})
            for stream in (writes, reads):
                self.assertEqual(stream.refusal()[0], grpc.StatusCode.CANCELLED)
            self.assertEqual(leaks.settle(daemon.pids_of_steps), [])

    def test_entitlements_that_were_not_given(self):
        """DFE-118: in the first process and in those that join (CVE-2024-23653); modes that nobody knows (GHSA-7236)."""
        for daemon, client in self.each(flags=["--allow-insecure-entitlement", "network.host", "--allow-insecure-entitlement", "security.insecure"]):
            with client.frontend("entitled") as build:
                ref = self.tree(build)
                for number, (network, security, says) in enumerate(((pb.HOST, 0, "network.host is not allowed"), (0, pb.INSECURE, "security.insecure is not allowed"), (99, 0, "network mode 99"), (0, 7, "security mode 7"))):
                    name = f"e{number}"
                    build.call("NewContainer", ContainerID=name, Network=network, Mounts=[pb.Mount(dest="/", resultID=ref)])
                    with Stream(build) as stream:
                        stream.init("p", name, security=security)
                        code, error = stream.end("p")
                        self.assertEqual(code, 255)
                        self.assertIn(says, error)
                build.call("NewContainer", ContainerID="joined", Mounts=[pb.Mount(dest="/", resultID=ref)])
                with Stream(build) as stream:
                    stream.init("first", "joined", args=["cat"], fds=[0])
                    stream.init("p", "joined", args=["sh", "-c", "echo ran"], fds=[1], security=pb.INSECURE)
                    code, error = stream.end("p")
                    self.assertEqual((code, stream.text), (255, ""))
                    self.assertIn("security.insecure is not allowed", error)

    def test_metadata_that_lies(self):
        """EXP-010, hostile 8 and 9: keys and values of a result, and platforms that are to be directories at the client."""
        platform = {"os": "linux", "architecture": "amd64"}
        table = lambda *ids: json.dumps({"Platforms": [{"ID": id, "Platform": platform} for id in ids]}).encode()
        wrong = [{"refs.platforms": value} for value in (b"", b"{", b"[]", b"7", b"null", b'{"Platforms":[]}', b'{"Platforms":7}', b'{"Platforms":[{"ID":7}]}', table("nosuch"), table("x", "x"), b"[" * 200000)]
        wrong += [{"containerimage.config": value} for value in (b"{", b"[]", b"null", b'"x"', b'{"config":7}', b'{"os":7}', b'{"rootfs":{"diff_ids":[7]}}', b'{"history":{}}', b"[" * 200000, b"\xff\xfe")]
        wrong += [{"containerimage.config/../../x": b"{}"}, {"\x1b[2J": b"\x1b[2J"}, {"": b""}, {"k" * (1 << 20): b"v" * (1 << 20)}, {f"key{i}": b"" for i in range(100000)},
                  {"containerimage.inlinecache": b"{"}, {"attestation-manifest-descriptor.linux/amd64": b"{"}, {"annotation-manifest[linux/amd64].k": b"v"}, {"frontend.sourceinfo": b"\xff"}]
        for daemon, client in self.each():
            for number, metadata in enumerate(wrong):
                with self.subTest(metadata=str(metadata)[:80]):
                    build = api.Frontend(client, f"lies{number}", client.solve(f"lies{number}", Exporters=[control.Exporter(Type="image", Attrs={"name": "example.com/lies:1"})]))
                    ref = gateway.Ref(id=self.tree(build))
                    result = gateway.Result(refs=gateway.RefMap(refs={"x": ref})) if "refs.platforms" in metadata else gateway.Result(ref=ref)
                    for key, value in metadata.items():
                        result.metadata[key] = value
                    build.call("Return", result=result)
                    if error := build.solving.exception(60):
                        self.assertNotIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED), error.details())
                        self.assertTrue(error.details())
            for id in ("../../etc", "..", "/etc", "a/../../b", "a\\..\\b", "a:b", ""):
                with client.session() as session, self.subTest(id=id):
                    solving = client.solve("dir" + id, Session=session.id, Exporters=[control.Exporter(Type="local", Attrs={"platform-split": "true"})])
                    build = api.Frontend(client, "dir" + id, solving)
                    ref = gateway.Ref(id=self.tree(build))
                    build.call("Return", result=gateway.Result(refs=gateway.RefMap(refs={id: ref}), metadata={"refs.platforms": table(id)}))
                    if solving.exception(60) is None:
                        self.assertFalse([path for path in session.files if path.startswith("/") or ".." in path.split("/")], "outside")

    def test_names_that_are_no_text(self):
        """CAC-045, FST-001: bytes that are no UTF-8 are names like others, in what is read of refs and in what is sent from and to clients."""
        names = {b"d/lat\xff\xe9", b"d/ok"}
        for daemon, client in self.each():
            with client.frontend("bytes") as build:
                ref = self.tree(build, "mkdir /d && cd /d && echo x > $(printf 'lat\\377\\351') && ln -s $(printf 'to\\376') link")
                raw = lambda method, message: client.channel.unary_unary(f"/moby.buildkit.v1.frontend.LLBBridge/{method}")(message, metadata=METADATA("bytes"), timeout=60)
                field = lambda number, data: bytes([number << 3 | 2, len(data)]) + data
                entries = raw("ReadDir", field(1, ref.encode()) + field(2, b"/d"))
                self.assertIn(field(1, b"lat\xff\xe9"), entries)
                self.assertIn(field(7, b"to\xfe"), entries)
                self.assertIn(field(1, b"lat\xff\xe9"), raw("StatFile", field(1, ref.encode()) + field(2, b"/d/lat\xff\xe9")))
                self.assertEqual(raw("ReadFile", field(1, ref.encode()) + field(2, b"/d/lat\xff\xe9")), field(1, b"x\n"))
            context = daemon.context({"Dockerfile": "FROM scratch\nCOPY d d\nCOPY d/lat* /\n", "d/ok": "1"})
            pathlib.Path(os.fsdecode(os.path.join(context.encode(), b"d/lat\xff\xe9"))).write_text("2")
            os.symlink(b"to\xff", os.path.join(context.encode(), b"d/link"))
            out = daemon.out("tree")
            done = daemon.build(context, output=f"type=local,dest={out}")
            found = {os.path.join(os.path.relpath(top, out.encode()), name) for top, _, files in os.walk(out.encode()) for name in files}
            self.assertEqual({name.removeprefix(b"./") for name in found}, names | {b"d/link", b"lat\xff\xe9"})
            self.assertEqual(os.readlink(os.path.join(out.encode(), b"d/link")), b"to\xff")
            self.assertNotIn("libprotobuf", done.err + daemon.log())

    def test_a_frontend_cannot_steer_the_terminal(self):
        """DFE-113: names of its steps, groups, warnings with their sources, what it says and its error."""
        source = frontend_image.push_python(self.registry.host, "frontends/evil")
        with Daemon() as daemon:
            for mode in ("tty", "plain"):
                with self.subTest(mode=mode):
                    argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", daemon.address, "build", f"--progress={mode}", "--frontend", "gateway.v0", "--opt", f"source={source}", "--opt", "do=steer"]
                    code, out = on_a_terminal(argv, dict(daemon.env, TERM="xterm"))
                    self.assertNotEqual(code, 0)
                    for text in ("name", "group", "warning", "error", "-evil") + (("said",) if mode == "plain" else ()):
                        self.assertIn(text, out)
                    for sequence in ("\x1b[2J", "\x1b[1;1H", "\x1b]0;", "\x07", "\x9b", "\x1bc", "\x08", "owned"):
                        self.assertNotIn(sequence, out)


class Stream:
    """One ExecProcess stream; leaving it ends the client's side and cancels what is left."""

    def __init__(self, build):
        self.out, self.text, self.ends = queue.Queue(), "", {}
        message = gateway.ExecMessage
        method = build.client.channel.stream_stream("/moby.buildkit.v1.frontend.LLBBridge/ExecProcess", request_serializer=message.SerializeToString, response_deserializer=message.FromString)
        self.call = method(iter(self.out.get, None), metadata=METADATA(build.ref), timeout=60)
        self.over = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.out.put(None)
        self.call.cancel()

    def send(self, id, **fields):
        self.out.put(gateway.ExecMessage(ProcessID=id, **fields))

    def init(self, id, container, args=("true",), fds=(), user="", security=0):
        self.send(id, Init=gateway.InitMessage(ContainerID=container, Fds=fds, Security=security, Meta=pb.Meta(args=args, cwd="/", env=["PATH=/bin"], user=user)))

    def step(self):
        message = next(self.call)
        self.text += message.File.Data.decode(errors="replace")
        if message.HasField("Exit"):
            self.ends[message.ProcessID] = (message.Exit.Code, message.Exit.Error.message)
        if message.HasField("Done"):
            self.over.add(message.ProcessID)

    def end(self, id):
        """(exit code, error)."""
        while id not in self.over:
            self.step()
        return self.ends[id]

    def refusal(self):
        try:
            while True:
                self.step()
        except grpc.RpcError as error:
            return error.code(), error.details()
