"""The session as a foreign client offers it, gRPC inside of gRPC: files in both directions, headers, refusals; root's daemon and the
ordinary user's. Rows: each test names those it shows.
"""
import concurrent.futures
import io
import os
import pathlib
import queue
import re
import tarfile
import threading
import time
import types

from support import api, leaks
from support.api import Client, Graph, control, gateway, pb
from support.api_case import KEEP, ApiCase


class Sessions(ApiCase):
    def tree(self):
        return {"a.txt": b"A" * 100_000, "b.md": b"b", "dir": None, "dir/c.txt": b"c", "dir/d": None}

    def local(self, client, session, *paths, **attrs):
        graph = Graph()
        source = graph.source("local://ctx", **{"local_session": session.id, **attrs})
        with client.frontend("local-" + str(time.monotonic_ns()), Session=session.id) as frontend:
            ref = frontend.solve(graph.definition(source))
            names = frontend.names(ref)
            texts = [frontend.read(ref, path) for path in paths]
        return names, texts, frontend.ref

    def test_a_directory_of_the_client(self):
        """RPC-016, RPC-042, RPC-043, RPC-044, RPC-051, RPC-066, INF-024, INF-027, SRC-022, SRC-034, LLB-057, LLB-059, FST-001 … FST-009: a foreign gRPC server inside of the stream sends its files."""
        for daemon, client in self.each():
            with client.session(trees={"ctx": self.tree()}) as session:
                names, texts, ref = self.local(client, session, "/a.txt", "/dir/c.txt")
                self.assertEqual((names, texts), (["a.txt", "b.md", "dir"], ["A" * 100_000, "c"]))
                self.assertEqual(sorted(session.requested), ["a.txt", "b.md", "dir/c.txt"])
                self.assertLessEqual(session.largest, 32 << 10)

    def test_what_is_sent_is_asked_for_in_headers(self):
        """RPC-053, SRC-024, SRC-025, SRC-026, LLB-060, LLB-061, LLB-062: patterns arrive as repeated headers."""
        for daemon, client in self.each():
            with client.session(trees={"ctx": self.tree()}) as session:
                self.local(client, session, local_includepattern='["*.txt", "dir"]', local_excludepatterns='["*.md", "!keep.md"]', local_followpaths='["link", "ünï"]')
                self.assertEqual(session.headers["dir-name"], ["ctx"])
                self.assertEqual(session.headers["include-patterns"], ["*.txt", "dir"])
                self.assertEqual(session.headers["exclude-patterns"], ["*.md", "!keep.md"])
                self.assertEqual(session.headers["followpaths-encoded"], ["1"])
                self.assertEqual(session.headers["followpaths"], ["link", "%C3%BCn%C3%AF"])

    def test_only_what_changed_is_sent_again(self):
        """SRC-027, SRC-032, SRC-033, SRC-031, LLB-063, FST-017, FST-019: the tree of the client's shared key is kept and brought up to date."""
        for daemon, client in self.each():
            tree = self.tree()
            with client.session(trees={"ctx": tree}, key="mine") as session:
                self.local(client, session, local_sharedkeyhint="hint", local_unique="1")
            tree = {**tree, "b.md": b"changed"}
            del tree["a.txt"]
            with client.session(trees={"ctx": tree}, key="mine") as session:
                names, texts, _ = self.local(client, session, "/b.md", local_sharedkeyhint="hint", local_unique="2")
                self.assertEqual((names, texts), (["b.md", "dir"], ["changed"]))
                self.assertEqual(session.requested, ["b.md"])

    def test_refusals_of_a_client(self):
        """RPC-045, RPC-046, SRC-035: a directory that the client does not give, a method that it does not offer, a session that does not come (after 5 s)."""
        for daemon, client in self.each():
            with client.session(trees={}) as session:
                self.assertIn("no access allowed to dir", client.refusal(self.local, client, session)[1])
            with client.session(trees={"ctx": {}}, methods=["/grpc.health.v1.Health/Check"]) as session:
                self.assertNotIn("ctx", session.asked)
                client.refusal(self.local, client, session)
                self.assertNotIn("ctx", session.asked)
            with client.session(trees={"ctx": {"f": b"f"}}, methods=["/MOBY.filesync.v1.FileSync/diffcopy"]) as session:
                self.assertEqual(self.local(client, session, "/f")[1], ["f"], "methods are compared without case")
                session.trees["prefix-ctx"], session.id = session.trees["ctx"], "prefix:" + session.id
                self.assertEqual(self.local(client, session, "/f")[1], ["f"], "an id may have a prefix")
            session.id, begin = "nobody", time.monotonic()
            self.assertIn("nobody", client.refusal(self.local, client, session)[1])
            self.assertTrue(4 < time.monotonic() - begin < 15)

    def test_a_session_may_come_late(self):
        """RPC-045: the build waits for the client's session."""
        for daemon, client in self.each():
            late, done = types.SimpleNamespace(id="late-" + str(time.monotonic_ns())), threading.Event()

            def come():
                time.sleep(1)
                with client.session(trees={"ctx": {"f": b"late"}}, uuid=late.id):
                    done.wait(60)
            thread = threading.Thread(target=come)
            thread.start()
            try:
                self.assertEqual(self.local(client, late, "/f")[1], ["late"])
            finally:
                done.set()
                thread.join()

    def test_results_go_to_the_client(self):
        """RPC-054, RPC-055, RPC-056, EXP-049, EXP-054, EXP-042, EXP-055: as files and as a stream, with the exporter's headers."""
        for daemon, client in self.each():
            graph = Graph()
            definition = graph.definition(graph.file([], (-1, -1, -1, {"mkdir": {"path": "/d", "mode": 0o755, "timestamp": KEEP}}),
                                                     (0, -1, 0, {"mkfile": {"path": "/d/f", "mode": 0o644, "data": b"y" * 70_000, "timestamp": KEEP}})))
            with client.session() as session:
                solving = client.solve("files", Session=session.id, Definition=definition, Exporters=[control.Exporter(Type="local")])
                vertices, statuses, _, _ = self.status(client, "files")
                solving.result(60)
                self.assertEqual(session.files, {"d": None, "d/f": b"y" * 70_000})
                self.assertLessEqual(session.largest_data, 32 << 10)
                self.assertIn("buildkit-attachable-exporter-id", session.headers)
                self.assertTrue([one for one in statuses if one.ID.startswith("copying files") and one.current >= 70_000], statuses)
                session.as_bytes = True
                for kind, name in (("tar", "d/f"), ("oci", "index.json"), ("docker", "manifest.json")):
                    session.bytes = b""
                    client.control("Solve", Ref=kind, Session=session.id, Definition=definition, Exporters=[control.Exporter(Type=kind, Attrs={} if kind == "tar" else {"name": "example.com/x:1"})])
                    with tarfile.open(fileobj=io.BytesIO(session.bytes)) as archive:
                        self.assertIn(name, archive.getnames())
                    self.assertTrue(kind == "tar" or [key for key in session.headers if key.startswith("exporter-md-containerimage.digest")], session.headers)


class Stuck(api.Session):
    """Answers with the first entry of a directory, and never with the rest."""

    def upload(self, packets, context):
        self.note(context)
        yield api.fsutil.Packet(type=api.fsutil.Packet.PACKET_STAT, stat=api.fsutil.Stat(path="a", mode=0o644, size=1))
        self.dropped.wait(60)


class Dropped(ApiCase):
    def drop_session(self, client, ref):
        """A transfer is under way when the client's stream is cut."""
        session = Stuck(client, "tests", {"ctx": {}}, "", None, "")
        session.dropped = threading.Event()
        graph = Graph()
        solving = client.solve(ref, Session=session.id, Definition=graph.definition(graph.source("local://ctx", local_session=session.id)))
        while not session.headers and not solving.done():
            time.sleep(0.01)
        session.call.cancel()
        session.dropped.set()
        session.close()
        self.assertTrue(solving.exception(60))

    def drop_frontend(self, daemon, ref, definition):
        """A client whose own frontend waits for a step and reads of a process when all its calls are cut at once."""
        with Client(daemon) as client:
            build = api.Frontend(client, ref, client.solve(ref))
            tree = build.solve(definition)
            build.call("NewContainer", ContainerID="c", Mounts=[pb.Mount(dest="/", resultID=tree)])
            messages = queue.Queue()
            messages.put(gateway.ExecMessage(ProcessID="p", Init=gateway.InitMessage(ContainerID="c", Fds=[0, 1], Meta=pb.Meta(args=["sh", "-c", "yes"], cwd="/", env=["PATH=/bin"]))))
            method = client.channel.stream_stream("/moby.buildkit.v1.frontend.LLBBridge/ExecProcess", request_serializer=gateway.ExecMessage.SerializeToString, response_deserializer=gateway.ExecMessage.FromString)
            call = method(iter(messages.get, None), metadata=((api.BUILD_ID, ref),))
            next(call)
            graph = Graph()
            slow = graph.definition(graph.run([self.image(graph)], f": {ref}; sleep 600"))
            evaluating = client.pool.submit(build.solve, slow, Evaluate=True)
            client.channel.close()
            messages.put(None)
            self.assertTrue(evaluating.exception(60) and build.solving.exception(60))

    def held(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return {"files": sum(leaks.open_files(pid).values()), "threads": len(os.listdir(f"/proc/{pid}/task")), "KiB": int(re.search(r"VmRSS:\s+(\d+)", status).group(1))}

    def test_two_hundred_are_dropped_in_mid_call(self):
        """RPC-044, DFE-121: 160 sessions and 40 clients with frontends; no descriptor, no thread, no memory and no process is left."""
        for daemon, client in self.each():
            graph = Graph()
            definition = graph.definition(self.image(graph))
            self.drop_frontend(daemon, "first", definition)

            def drop(number):
                if number % 5 == 0:
                    return self.drop_frontend(daemon, f"drop{number}", definition)
                with Client(daemon) as one:
                    self.drop_session(one, f"drop{number}")

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(drop, range(40)))  # pools and caches fill
                pid = daemon.daemon_pid()
                self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
                before = self.held(pid)
                list(pool.map(drop, range(40, 240)))
            self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
            limits = {"files": before["files"] + 8, "threads": before["threads"] + 4, "KiB": before["KiB"] + (24 << 10)}
            more = lambda: {what: count for what, count in self.held(pid).items() if count > limits[what]}
            self.assertEqual(leaks.settle(more, 20), {}, f"before: {before}")
            print(f"{daemon.user}: {before} before, {self.held(pid)} after", flush=True)
            self.assertEqual(daemon.daemon_pid(), pid)
