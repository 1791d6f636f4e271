"""The session as a foreign client offers it, gRPC inside of gRPC: files in both directions, headers, refusals; root's daemon and the
ordinary user's. Rows: each test names those it shows.
"""
import io
import tarfile
import threading
import time

from support.api import Graph, control
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
            late = {}
            with client.session(trees={"ctx": {"f": b"late"}}) as session:
                pass  # its id is free again

            def come():
                time.sleep(1)
                late["session"] = client.session(trees={"ctx": {"f": b"late"}}, uuid=session.id)
                late["open"] = late["session"].__enter__()
            thread = threading.Thread(target=come)
            thread.start()
            made = self.local(client, session, "/f")[1]
            thread.join()
            late["session"].__exit__(None, None, None)
            self.assertEqual(made, ["late"])

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
