"""The daemon's gRPC services as a foreign client sees them, root's daemon and the ordinary user's: builds from LLB, the
client's own frontend, operations with all their fields. Sessions have a file of their own.

Rows: each test names those it shows.
"""
import base64
import contextlib
import json
import os
import pathlib
import platform
import time

import grpc

from support import api
from support.api import Client, Graph, control, gateway, pb
from support.api_case import KEEP, ApiCase
from support.token_registry import TokenRegistry

LABEL = "org.mobyproject.buildkit.worker."
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def by_name(user, group=None, source=0):
    """ChownOpt with names that /etc/passwd and /etc/group of input `source` know."""
    named = lambda name: pb.UserOpt(byName=pb.NamedUserOpt(name=name, input=source))
    return pb.ChownOpt(user=named(user), group=named(group) if group else None)


class Daemons(ApiCase):
    def test_who_answers(self):
        """RPC-017 ListWorkers, RPC-018 Info, WRK-001 labels and id, EXE-042 and RLK-004: network host where no CNI is configured."""
        for daemon, client in self.each():
            version = client.control("Info").buildkitVersion
            self.assertTrue(version.package and version.version.startswith("v") and version.dockerfileVersion, version)
            (worker,) = client.control("ListWorkers").record
            self.assertEqual(worker.BuildkitVersion.version, version.version)
            self.assertEqual((worker.platforms[0].OS, worker.platforms[0].Architecture), ("linux", MACHINE))
            self.assertTrue(worker.GCPolicy)
            for label, value in {"executor": "oci", "network": "host", "oci.process-mode": "sandbox", "hostname": platform.node()}.items():
                self.assertEqual(worker.Labels[LABEL + label], value)
            self.assertIn(worker.Labels[LABEL + "snapshotter"], ("overlayfs", "fuse-overlayfs", "native"))
            one = lambda *filters: [record.ID for record in client.control("ListWorkers", filter=filters).record]
            self.assertEqual(one(f"id=={worker.ID}"), [worker.ID])
            self.assertEqual(one("id==other"), [])
            self.assertEqual(one("id==other", f'labels."{LABEL}network"==host'), [worker.ID])
            daemon.stop()
            daemon.start()
            with Client(daemon) as again:
                self.assertEqual([record.ID for record in again.control("ListWorkers").record], [worker.ID], "the id is kept")

    def test_health_and_unknown_services(self):
        """DMN-086, RPC-040 (health): SERVING for the empty service. RPC-041: an unknown service or method is UNIMPLEMENTED."""
        for daemon, client in self.each():
            self.assertEqual(client.call(api.health, "Health", "Check").status, api.health.HealthCheckResponse.SERVING)
            for method in ("/nosuch.Service/Do", "/moby.buildkit.v1.Control/Nosuch"):
                with self.assertRaises(grpc.RpcError) as raised:
                    client.channel.unary_unary(method)(b"", timeout=10)
                self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_reflection(self):
        """RPC-040, DMN-054: programs that know no proto file are told the services and their messages."""
        services, symbol = b"\x3a\x00", b"moby.buildkit.v1.Control"  # ServerReflectionRequest: list_services, file_containing_symbol
        for daemon, client in self.each():
            ask = client.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
            listed, described = list(ask(iter([services, b"\x22" + bytes([len(symbol)]) + symbol]), timeout=10))
            for name in (symbol, b"moby.buildkit.v1.frontend.LLBBridge", b"grpc.health.v1.Health", b"containerd.services.content.v1.Content"):
                self.assertIn(name, listed)
            self.assertIn(b"ListenBuildHistory", described)

    def test_messages_of_sixteen_mebibytes(self):
        """INF-025: what is just below 16 MiB passes in both directions, what is above is refused."""
        for daemon, client in self.each():
            graph = Graph()
            big = graph.file([], (-1, -1, 0, {"mkfile": {"path": "/big", "mode": 0o600, "data": b"x" * (15 << 20), "timestamp": KEEP}}))
            self.assertEqual(len(self.made(client, graph, big, "/big")), 15 << 20)
            with self.assertRaises(grpc.RpcError) as raised:
                wide = grpc.insecure_channel("unix:" + daemon.socket, options=[("grpc.max_send_message_length", -1)])
                with wide:
                    wide.unary_unary("/moby.buildkit.v1.Control/Solve")(b"\x0a\x80\x80\x80\x09" + b"a" * (18 << 20), timeout=60)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)


class Builds(ApiCase):
    def test_a_definition_is_built(self):
        """RPC-003 Solve of a definition; RPC-014; EXP-004 no exporter; RPC-015 Status; LLB-126 names; LLB-010, LLB-053 image source."""
        for daemon, client in self.each():
            graph = Graph()
            step = graph.run([self.image(graph, name="the base")], "echo hello; echo oops >&2; sleep 1", name="a step of mine")
            definition = graph.definition(step)
            solving = client.solve("one", Definition=definition)
            vertices, statuses, logs, metadata = self.status(client, "one")
            self.assertRegex(metadata["buildkit-current-timestamp"], r"^20\d\d-\d\d-\d\dT.*Z$")
            self.assertEqual(solving.result(60).ExporterResponse, {})
            self.assertIn("the base", vertices)
            last = vertices["a step of mine"][-1]
            self.assertEqual((last.digest, list(last.inputs), last.error, last.cached), (step, [vertices["the base"][0].digest], "", False))
            self.assertTrue(last.started.ToNanoseconds() <= last.completed.ToNanoseconds())
            text = {1: b"", 2: b""}
            for log in logs:
                self.assertEqual(log.vertex, step)
                text[log.stream] += log.msg
            self.assertEqual(text, {1: b"hello\n", 2: b"oops\n"})
            # A second build finds everything, and says so (CAC-016).
            solving = client.solve("two", Definition=definition)
            self.assertTrue(self.status(client, "two")[0]["a step of mine"][-1].cached)
            solving.result(60)

    def test_internal_builds_are_not_told_of(self):
        """RPC-006: the history has a build unless it is internal (the session and entitlements: Sessions, test_networks)."""
        for daemon, client in self.each():
            client.control("Solve", Ref="seen", Definition=self.small())
            client.control("Solve", Ref="unseen", Definition=self.small(), Internal=True)
            self.assertEqual([event.record.Ref for event in client.control("ListenBuildHistory", EarlyExit=True)], ["seen"])

    def test_a_finished_build_is_told_of_again(self):
        """RPC-015: Status after the end."""
        for daemon, client in self.each():
            client.control("Solve", Ref="over", Definition=self.small())
            self.assertTrue(self.status(client, "over")[0])

    def test_records_have_types(self):
        """CAC-035: what disk usage says of trees by where they come from."""
        for daemon, client in self.each():
            graph = Graph()
            base = self.image(graph, image_recordtype="frontend")
            with client.session(trees={"ctx": {"f": b"f"}}) as session:
                source = graph.source("local://ctx", local_session=session.id)
                step = graph.run([base, source], "cp /ctx/f /f; touch /cache/x", [dict(input=1, dest="/ctx", output=-1), dict(input=-1, dest="/cache", output=-1, mountType=pb.CACHE, cacheOpt=pb.CacheOpt(ID="types"))])
                client.control("Solve", Ref="types", Session=session.id, Definition=graph.definition(step))
            types = {record.RecordType for record in client.control("DiskUsage").record}
            self.assertEqual(types, {"regular", "frontend", "source.local", "exec.cachemount"})

    def test_llb_by_buildctl(self):
        """CTL-016: LLB on stdin; CTL-017: files of --local belong to root; CTL-022: --no-cache runs every step."""
        for daemon, client in self.each():
            context = daemon.context({"f": "of the client"})
            if daemon.user == "root":
                os.chown(os.path.join(context, "f"), 1234, 1234)
            graph = Graph()
            copied = graph.file([self.image(graph), graph.source("local://ctx")], (0, 1, 0, {"copy": {"src": "/f", "dest": "/f", "mode": KEEP, "timestamp": KEEP}}))
            step = graph.run([copied], "stat -c %u:%g /f > /owner; cat /proc/sys/kernel/random/uuid > /id")

            def build(*flags):
                files = daemon.out("files")
                daemon.buildctl("build", "--progress=plain", "--local", f"ctx={context}", "--output", f"type=local,dest={files}", *flags, stdin=api.serialized(graph.definition(step)))
                return [pathlib.Path(files, name).read_text() for name in ("f", "owner", "id")]

            first = build()
            self.assertEqual(first[:2], ["of the client", "0:0\n"])
            self.assertEqual(build(), first)
            self.assertNotEqual(build("--no-cache")[2], first[2])

    def test_a_ref_is_taken_while_its_build_runs(self):
        """RPC-003: a duplicate ref fails, and the first build goes on."""
        for daemon, client in self.each():
            with client.frontend("taken") as frontend:
                frontend.call("Ping")
                code, text = client.refusal(client.control, "Solve", Ref="taken", Definition=self.small())
                self.assertIn("taken", text)
            self.assertEqual(frontend.response.ExporterResponse, {})

    def small(self):
        graph = Graph()
        return graph.definition(graph.file([], (-1, -1, 0, {"mkdir": {"path": "/d", "mode": 0o755, "timestamp": KEEP}})))

    def test_an_error_belongs_to_its_vertex(self):
        """CAC-017: the failing vertex has the error, what depends on it does not run."""
        for daemon, client in self.each():
            graph = Graph()
            bad = graph.run([self.image(graph)], "exit 9", name="bad")
            solving = client.solve("failing", Definition=graph.definition(graph.run([bad], "true", name="after")))
            vertices = self.status(client, "failing")[0]
            self.assertIn("exit code: 9", vertices["bad"][-1].error)
            self.assertFalse([vertex for vertex in vertices.get("after", []) if vertex.HasField("started") and not vertex.error], vertices.get("after"))
            with self.assertRaises(grpc.RpcError) as raised:
                solving.result(60)
            self.assertIn("exit code: 9", raised.exception.details())

    def test_what_is_not_had_is_named(self):
        """LLB caps: an operation that needs a capability which the daemon does not have is refused, and the text names it."""
        for daemon, client in self.each():
            graph = Graph()
            needing = graph.file([], (-1, -1, 0, {"mkdir": {"path": "/d", "mode": 0o755, "timestamp": KEEP}}), caps=["file.base", "made.up.cap"])
            self.assertIn("made.up.cap", client.refusal(client.control, "Solve", Ref="caps", Definition=graph.definition(needing))[1])
            self.assertIn("nosuch", client.refusal(client.control, "Solve", Ref="frontend", Frontend="nosuch.v0")[1])
            client.control("Solve", Ref="lives", Definition=self.small())

    def test_ignore_cache(self):
        """LLB-125, CAC-008: what ignores the cache runs again, and its result is what a later build finds."""
        for daemon, client in self.each():
            def build(ignore):
                graph = Graph()
                step = graph.run([self.image(graph)], "cat /proc/sys/kernel/random/uuid > /id", ignore_cache=ignore)
                return self.made(client, graph, step, "/id")
            first = build(False)
            self.assertEqual(build(False), first)
            second = build(True)
            self.assertNotEqual(second, first)
            self.assertEqual(build(False), second)

    def test_a_frontend_of_the_daemon(self):
        """RPC-004: frontend, attributes and inputs; EXP-010, RPC-014: what the exporter answers."""
        for daemon, client in self.each():
            graph = Graph()
            files = graph.file([], (-1, -1, 0, {"mkfile": {"path": "/Dockerfile", "mode": 0o644, "timestamp": KEEP, "data": f"FROM {self.base}\nARG WHO\nRUN echo $WHO > /who\n".encode()}}))
            inputs = {"context": graph.definition(files), "dockerfile": graph.definition(files)}
            answer = client.control("Solve", Ref="frontend", Frontend="dockerfile.v0", FrontendAttrs={"build-arg:WHO": "me"}, FrontendInputs=inputs,
                                    Exporters=[control.Exporter(Type="image", Attrs={"name": "example.com/api:1"})]).ExporterResponse
            self.assertEqual(answer["image.name"], "example.com/api:1")
            self.assertRegex(answer["containerimage.config.digest"], "^sha256:[0-9a-f]{64}$")
            self.assertEqual(json.loads(base64.b64decode(answer["containerimage.descriptor"]))["digest"], answer["containerimage.digest"])


class ClientFrontend(ApiCase):
    def test_calls_find_their_build(self):
        """RPC-021: without a build id, and with one that nobody has (after about 3 s)."""
        for daemon, client in self.each():
            self.assertIn("no buildid found in context", client.refusal(client.call, gateway, "LLBBridge", "Ping")[1])
            begin = time.monotonic()
            self.assertIn("nobody", client.refusal(client.call, gateway, "LLBBridge", "Ping", metadata=((api.BUILD_ID, "nobody"),))[1])
            self.assertTrue(2 < time.monotonic() - begin < 10)

    def test_ping(self):
        """RPC-005, RPC-022, RPC-036, RPC-073: what works here, by the ids of the contract."""
        for daemon, client in self.each():
            with client.frontend("ping") as frontend:
                pong = frontend.call("Ping")
            here = {cap.ID: cap.Enabled for cap in pong.FrontendAPICaps}
            for cap in ("solve.base", "solve.inlinereturn", "resolveimage", "resolveimage.resolvemode", "readfile", "return", "returnmap", "readdir", "statfile", "proto.refarray",
                        "reference.output", "frontend.inputs", "gateway.solve.metadata", "gateway.solve.evaluate", "gateway.evaluate", "gateway.warnings", "source.metaresolver"):
                self.assertTrue(here.get(cap), cap)
            self.assertTrue([cap for cap in pong.FrontendAPICaps if cap.ID == "solve.inlinereturn" and cap.Deprecated])
            llb = {cap.ID: cap.Enabled for cap in pong.LLBCaps}
            for cap in ("source.image", "source.local", "exec.meta.base", "exec.mount.bind", "file.base", "platform", "meta.ignorecache", "meta.description", "constraints"):
                self.assertTrue(llb.get(cap), cap)
            self.assertEqual([worker.ID for worker in pong.Workers], [worker.ID for worker in client.control("ListWorkers").record])

    def test_nothing_runs_before_it_is_needed(self):
        """RPC-023, RPC-024: Solve is lazy, a read runs the step once; Evaluate runs it at once."""
        for daemon, client in self.each():
            graph = Graph()
            bad = graph.definition(graph.run([self.image(graph)], "echo fails; exit 3"))
            with client.frontend("lazy") as frontend:
                ref = frontend.solve(bad)  # no error yet
                self.assertTrue(ref)
                self.assertIn("exit code: 3", client.refusal(frontend.read, ref, "/x")[1])
                self.assertIn("exit code: 3", client.refusal(frontend.solve, bad, Evaluate=True)[1])
                # A frontend of the daemon, called by the client's.
                graph = Graph()
                files = graph.definition(graph.file([], (-1, -1, 0, {"mkfile": {"path": "/Dockerfile", "mode": 0o644, "timestamp": KEEP, "data": b"FROM scratch\nCOPY Dockerfile /copied\n"}})))
                result = frontend.call("Solve", Frontend="dockerfile.v0", FrontendInputs={"context": files, "dockerfile": files}, allowResultReturn=True, allowResultArrayRef=True).result
                self.assertIn("containerimage.config", result.metadata)
                self.assertIn("FROM scratch", frontend.read(result.ref.id, "/copied"))

    def test_files_of_a_ref(self):
        """RPC-027, CAC-045: ReadFile with ranges, ReadDir with a pattern, StatFile; links stay inside (INF-032)."""
        for daemon, client in self.each():
            graph = Graph()
            step = graph.run([self.image(graph)], "mkdir /d && cd /d && printf 0123456789 > digits && echo b > b.txt && chmod 640 b.txt && ln -s digits link && ln -s ../../../../../etc/passwd out && mkdir below")
            with client.frontend("files") as frontend:
                ref = frontend.solve(graph.definition(step))
                part = lambda path, offset, length: frontend.call("ReadFile", Ref=ref, FilePath=path, Range=gateway.FileRange(Offset=offset, Length=length)).Data
                self.assertEqual(part("/d/digits", 3, 4), b"3456")
                self.assertEqual(part("/d/link", 8, 100), b"89")
                self.assertTrue(frontend.read(ref, "/d/out").startswith("root:x:0:0:root:/root:/bin/sh\nbuilder"), "the image's file, not the host's")
                self.assertEqual(frontend.names(ref, "/d"), ["b.txt", "below", "digits", "link", "out"])
                self.assertEqual(frontend.names(ref, "/d", "*.txt"), ["b.txt"])
                found = frontend.stat(ref, "/d/b.txt")
                self.assertEqual((found.path, found.mode, found.size, found.uid), ("b.txt", 0o640, 2, 0))
                self.assertEqual(frontend.stat(ref, "/d/below").mode, api.GO_DIR | 0o755)
                self.assertIn("no such file or directory", client.refusal(frontend.read, ref, "/none")[1])

    def test_images_are_resolved(self):
        """RPC-025, SRC-010: digest and configuration for the platform; a missing image is named."""
        for daemon, client in self.each():
            with client.frontend("resolve") as frontend:
                answer = frontend.call("ResolveImageConfig", Ref=f"{self.base}:latest", ResolveMode="default", LogName="look it up")
                self.assertRegex(answer.Digest, "^sha256:[0-9a-f]{64}$")
                self.assertEqual(json.loads(answer.Config)["architecture"], MACHINE)
                self.assertEqual(answer.Ref, f"{self.base}:latest")
                self.assertIn("nosuch", client.refusal(frontend.call, "ResolveImageConfig", Ref=f"{self.registry.host}/nosuch:1")[1])

    def test_configurations_are_fetched_once(self):
        """SRC-011: a configuration is read from the store by its digest, in this build and in the next one."""
        for daemon, client in self.each():
            with TokenRegistry("", "") as registry:
                for name in ("first", "second"):
                    with client.frontend(name) as frontend:
                        for _ in range(2):
                            answer = frontend.call("ResolveImageConfig", Ref=f"{registry.host}/base:latest", ResolveMode="default")
                            self.assertEqual(json.loads(answer.Config)["os"], "linux")
                for kind in ("/blobs/", "/manifests/sha256:"):
                    self.assertEqual(len([path for path in registry.requests if kind in path]), 1, registry.requests)

    def test_reads_share_one_mount(self):
        """Every read of a ref goes through the same mount, which goes with the build; a tree that is one directory needs none."""
        def mounts(daemon):
            seen = set()
            for pid in daemon.pids():
                with contextlib.suppress(OSError):
                    seen.update(line for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines() if daemon.dir in line)
            return seen

        for snapshotter, expected in (("native", 0), ("overlayfs", 1)):
            for daemon, client in self.each(snapshotter=snapshotter):
                graph = Graph()
                definition = graph.definition(graph.run([self.image(graph)], "echo text > /f"))
                with client.frontend("mounted") as frontend:
                    ref = frontend.solve(definition, Evaluate=True)
                    before = len(mounts(daemon))
                    self.assertEqual(frontend.read(ref, "/f"), "text\n")
                    self.assertEqual(frontend.stat(ref, "/etc/passwd").uid, 0)
                    self.assertEqual(len(mounts(daemon)), before + expected, mounts(daemon))
                self.assertEqual(len(mounts(daemon)), before, mounts(daemon))

    def test_results(self):
        """RPC-029, RPC-035: a result or an error is returned; refs as objects, as maps and in the old encodings."""
        for daemon, client in self.each():
            graph = Graph()
            definition = graph.definition(graph.file([], (-1, -1, 0, {"mkfile": {"path": "/f", "mode": 0o644, "data": b"1", "timestamp": KEEP}})))
            with client.frontend("old") as frontend:
                old = frontend.call("Solve", Definition=definition)
                self.assertTrue(old.ref)
                self.assertEqual(frontend.read(old.ref, "/f"), "1")
                text = frontend.call("Solve", Definition=definition, allowResultReturn=True).result
                self.assertEqual(text.WhichOneof("result"), "refDeprecated")
                frontend.call("Return", result=gateway.Result(refDeprecated=text.refDeprecated))
            exporters = [control.Exporter(Type="image", Attrs={"name": "example.com/several:1"})]
            with client.frontend("several", Exporters=exporters) as frontend:
                table = {"Platforms": [{"ID": f"linux/{name}", "Platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")]}
                refs = gateway.RefMap(refs={f"linux/{name}": gateway.Ref(id=frontend.solve(definition)) for name in ("amd64", "arm64")})
                frontend.call("Return", result=gateway.Result(refs=refs, metadata={"refs.platforms": json.dumps(table).encode()}))
            self.assertIn("containerimage.digest", frontend.response.ExporterResponse)
            with client.frontend("says-no") as frontend:
                frontend.call("Return", error={"code": 3, "message": "the frontend says no"})
            code, text = client.refusal(frontend.solving.result, 60)
            self.assertEqual(text, "the frontend says no")


class Operations(ApiCase):
    def test_files_are_made(self):
        """LLB-012, LLB-040, LLB-041, LLB-044, LLB-046, LLB-115: mkdir and mkfile with their fields, actions that build on one another."""
        for daemon, client in self.each():
            graph = Graph()
            base = self.image(graph)
            stamp = 1234567890 * 10**9
            step = graph.file([base],
                              (0, -1, -1, {"mkdir": {"path": "/a/b", "mode": 0o750, "makeParents": True, "timestamp": stamp, "owner": by_name("builder", "wheel")}}),
                              (1, -1, -1, {"mkfile": {"path": "/a/b/f", "mode": 0o4640, "data": b"first text", "timestamp": stamp, "owner": pb.ChownOpt(user=pb.UserOpt(byID=7), group=pb.UserOpt(byID=8))}}),
                              (2, -1, -1, {"mkdir": {"path": "/a/b", "mode": 0o700, "makeParents": True, "timestamp": KEEP}}),
                              (3, -1, 0, {"mkfile": {"path": "/a/b/f", "mode": 0o600, "data": b"2nd", "timestamp": stamp, "owner": by_name("builder")}}))
            with client.frontend("mk") as frontend:
                ref = frontend.solve(graph.definition(step))
                self.assertEqual(frontend.read(ref, "/a/b/f"), "2nd")
                made, below = frontend.stat(ref, "/a/b"), frontend.stat(ref, "/a/b/f")
                self.assertEqual((made.mode, made.uid, made.gid), (api.GO_DIR | 0o750, 1000, 10))
                self.assertEqual((below.mode & 0o777, below.uid, below.gid, below.modTime), (0o640, 1000, 1000, stamp))
                unknown = graph.file([base], (0, -1, 0, {"mkfile": {"path": "/f", "mode": 0o600, "timestamp": KEEP, "owner": by_name("nobody-here")}}))
                self.assertEqual(frontend.stat(frontend.solve(graph.definition(unknown)), "/f").uid, 0, "a name that /etc/passwd does not have is root")
                nowhere = graph.file([base], (0, -1, 0, {"mkfile": {"path": "/f", "mode": 0o600, "timestamp": KEEP, "owner": by_name("builder", source=-1)}}))
                self.assertRegex(client.refusal(frontend.solve, graph.definition(nowhere), Evaluate=True)[1], "user")
                self.assertIn("no such file or directory", client.refusal(frontend.solve, graph.definition(graph.file([base], (0, -1, 0, {"mkdir": {"path": "/no/parents", "mode": 0o700, "timestamp": KEEP}}))), Evaluate=True)[1])

    def test_files_are_removed(self):
        """LLB-042, LLB-116, LLB-119, LLB-045: rm with wildcards, of links but not of what they point at, and never outside of the root."""
        for daemon, client in self.each():
            graph = Graph()
            step = graph.run([self.image(graph)], "mkdir /d && cd /d && touch a.1 b.1 c.2 && mkdir keep && touch keep/x && ln -s keep link && ln -s / up && touch /top")
            step = graph.file([step],
                              (0, -1, -1, {"rm": {"path": "/d/*.1", "allowWildcard": True}}),
                              (1, -1, -1, {"rm": {"path": "/d/link"}}),
                              (2, -1, -1, {"rm": {"path": "/d/none", "allowNotFound": True}}),
                              (3, -1, 0, {"rm": {"path": "/d/up/../../../d/up/top"}}))
            with client.frontend("rm") as frontend:
                ref = frontend.solve(graph.definition(step))
                self.assertEqual(frontend.names(ref, "/d"), ["c.2", "keep", "up"])
                self.assertEqual(frontend.names(ref, "/d/keep"), ["x"])
                self.assertNotIn("top", frontend.names(ref))
                self.assertIn("none", client.refusal(frontend.solve, graph.definition(graph.file([step], (0, -1, 0, {"rm": {"path": "/d/none"}}))), Evaluate=True)[1])

    def test_files_are_copied(self):
        """LLB-033, LLB-034, LLB-036, LLB-045, FST-029: owner, mode and time given or kept, links, contents of directories, wildcards."""
        for daemon, client in self.each():
            graph = Graph()
            base = self.image(graph)
            tree = graph.run([base], "mkdir -p /t/dir/sub && cd /t && echo one > a.txt && echo two > b.txt && ln a.txt dir/hard1 && ln a.txt dir/hard2 && echo x > dir/sub/x && ln -s a.txt link && chmod 4751 b.txt && chown 5:6 b.txt && touch -d '2001-02-03 04:05:06' b.txt && mkdir /t/into")
            copy = lambda src, dest, **fields: {"copy": {"src": src, "dest": dest, **{"mode": KEEP, "timestamp": KEEP, **fields}}}
            step = graph.file([base, tree],
                              (0, 1, -1, copy("/t/b.txt", "/kept")),
                              (2, 1, -1, copy("/t/b.txt", "/given", mode=0o600, timestamp=1500000000 * 10**9, owner=by_name("builder"))),
                              (3, 1, -1, copy("/t/link", "/as-link")),
                              (4, 1, -1, copy("/t/link", "/followed", followSymlink=True)),
                              (5, 1, -1, copy("/t/dir", "/new/deep", createDestPath=True, dirCopyContents=True)),
                              (6, 1, -1, copy("/t/*.txt", "/many/", createDestPath=True, allowWildcard=True)),
                              (7, 1, 0, copy("/t/*.none", "/many/", allowWildcard=True, allowEmptyWildcard=True)))
            with client.frontend("copy") as frontend:
                ref = frontend.solve(graph.definition(step))
                kept, given = frontend.stat(ref, "/kept"), frontend.stat(ref, "/given")
                self.assertEqual((kept.uid, kept.gid, kept.mode & 0o777, kept.modTime), (5, 6, 0o751, 981173106 * 10**9))
                self.assertEqual((given.uid, given.gid, given.mode, given.modTime), (1000, 1000, 0o600, 1500000000 * 10**9))
                self.assertEqual(frontend.names(ref, "/new/deep"), ["hard1", "hard2", "sub"])
                self.assertEqual(frontend.names(ref, "/many"), ["a.txt", "b.txt"])
                links = {entry.path: entry for entry in frontend.call("ReadDir", Ref=ref, DirPath="/").entries}
                self.assertEqual((links["as-link"].mode & api.GO_LINK, links["as-link"].linkname), (api.GO_LINK, "a.txt"))
                self.assertEqual(frontend.read(ref, "/followed"), "one\n")
                same = graph.run([step], "[ $(stat -c %i /new/deep/hard1) = $(stat -c %i /new/deep/hard2) ] && echo hard > /same")
                self.assertEqual(frontend.read(frontend.solve(graph.definition(same)), "/same"), "hard\n")
                for wrong in (copy("/t/none", "/x"), copy("/t/*.none", "/x", allowWildcard=True), copy("/t/a.txt", "/no/parent")):
                    client.refusal(frontend.solve, graph.definition(graph.file([base, tree], (0, 1, 0, wrong))), Evaluate=True)

    def test_a_step_is_what_its_operation_says(self):
        """LLB-011, LLB-017, LLB-020, LLB-090, LLB-097, LLB-124: arguments, environment, directory, user, host name, PATH, platform."""
        for daemon, client in self.each():
            graph = Graph()
            base = self.image(graph)
            step = graph.run([base], ["sh", "-c", 'printf "%s\\n" "$0" "$1" "$(pwd)" "$FOO" "$PATH" "$(id -u):$(id -g)" "$(hostname)" > /tmp/out', "zero", "a b"],
                             env=["FOO=bar"], cwd="/home/builder", user="builder")
            lines = self.made(client, graph, step, "/tmp/out").splitlines()
            self.assertEqual(lines, ["zero", "a b", "/home/builder", "bar", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "1000:1000", "buildkitsandbox"])
            step = graph.run([base], 'echo $(id -u):$(id -g) $(hostname) $PATH > /tmp/out', user="12:34", hostname="other", env=["PATH=/bin:/own"], platform=pb.Platform(OS="linux", Architecture=MACHINE))
            self.assertEqual(self.made(client, graph, step, "/tmp/out"), "12:34 other /bin:/own\n")
            missing = graph.definition(graph.run([base], ["/no/such/program"]))
            self.assertIn("/no/such/program", client.refusal(client.control, "Solve", Ref="program", Definition=missing)[1])
            nobody = graph.definition(graph.run([base], "true", user="not-there"))
            self.assertIn("not-there", client.refusal(client.control, "Solve", Ref="user", Definition=nobody)[1])

    def test_mounts(self):
        """LLB-025, LLB-026, LLB-102, LLB-103, LLB-106, LLB-107: bind with selector, read-only and writable, outputs of mounts, tmpfs, cache, and missing ones."""
        for daemon, client in self.each():
            graph = Graph()
            base = self.image(graph)
            data = graph.file([], (-1, -1, -1, {"mkdir": {"path": "/in/side", "mode": 0o755, "makeParents": True, "timestamp": KEEP}}),
                              (0, -1, 0, {"mkfile": {"path": "/in/side/f", "mode": 0o644, "data": b"data", "timestamp": KEEP}}))
            text = ("cat /sel/f > /seen; ! touch /sel/new 2> /dev/null && echo closed >> /seen; touch /free/new && echo open >> /seen; echo result > /outs/r; "
                    "grep -q ' /t .* - tmpfs ' /proc/self/mountinfo && echo tmpfs >> /seen; touch /t/x; echo c >> /cache/c; wc -l < /cache/c >> /seen")
            mounts = [dict(input=1, selector="/in/side", dest="/sel", output=-1, readonly=True), dict(input=1, dest="/free", output=-1), dict(input=-1, dest="/outs", output=1),
                      dict(input=-1, dest="/t", output=-1, mountType=pb.TMPFS), dict(input=-1, dest="/cache", output=-1, mountType=pb.CACHE, cacheOpt=pb.CacheOpt(ID="api"))]
            step = graph.run([base, data], text, mounts)
            with client.frontend("mounts") as frontend:
                ref = frontend.solve(graph.definition(step))
                self.assertEqual(frontend.read(ref, "/seen").split(), ["dataclosed", "open", "tmpfs", "1"])
                outs = frontend.solve(graph.definition((step, 1)))
                self.assertEqual(frontend.read(outs, "/r"), "result\n")
                self.assertEqual(frontend.names(outs), ["r"])
                self.assertNotIn("t", frontend.names(ref), "the place of a mount is gone too")
                unchanged = frontend.solve(graph.definition(data))
                self.assertEqual(frontend.names(unchanged, "/in/side"), ["f"], "what was written without an output is gone")
            secret = graph.run([base], "true", [dict(input=-1, dest="/s", output=-1, mountType=pb.SECRET, secretOpt=pb.SecretOpt(ID="none"))])
            with client.session() as session:
                self.assertIn("secret", client.refusal(client.control, "Solve", Ref="secret", Session=session.id, Definition=graph.definition(secret))[1])
            no_root = pb.Op(exec=pb.ExecOp(meta=pb.Meta(args=["true"], cwd="/")))
            self.assertIn("no mounts", client.refusal(client.control, "Solve", Ref="no-root", Definition=graph.definition(graph.add(no_root)))[1])

    def test_overlay_options(self):
        """SNP-011, EXE-077: in a user namespace attributes are the user's; the index is off."""
        for daemon, client in self.each(snapshotter="overlayfs"):
            graph = Graph()
            options = self.made(client, graph, graph.run([self.image(graph)], "awk '$5 == \"/\"' /proc/self/mountinfo > /m"), "/m")
            self.assertIn(" overlay ", options)
            self.assertEqual("userxattr" in options, daemon.user != "root", options)
            self.assertNotIn("index=on", options)

    def test_networks(self):
        """LLB-029, LLB-092, EXE-039: none has only its own loopback, host needs the entitlement, unset is the daemon's."""
        for daemon, client in self.each(flags=["--allow-insecure-entitlement", "network.host"]):
            graph = Graph()
            base = self.image(graph)
            devices = "ls /sys/class/net | tr '\\n' ' ' > /n; wget -q -O /dev/null http://%s/v2/ 2>> /n && echo reached >> /n; true" % self.registry.host
            none = graph.run([base], devices, network=pb.NONE)
            self.assertNotIn("reached", self.made(client, graph, none, "/n"))
            self.assertIn("reached", self.made(client, graph, graph.run([base], devices), "/n"))
            host = graph.definition(graph.run([base], devices, network=pb.HOST))
            self.assertIn("network.host", client.refusal(client.control, "Solve", Ref="refused", Definition=host)[1])
            client.control("Solve", Ref="allowed", Definition=host, Entitlements=["network.host"])
