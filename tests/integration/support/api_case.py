"""Base of the tests that speak to the daemon's services: a daemon and a client of each user, and short ways to what a build gives."""
import time

from .api import Client
from .case import Case
from .daemon import Daemon

KEEP = -1  # of modes and times: as the source has them, or now


class ApiCase(Case):
    def each(self, **options):
        """(daemon, client) of root and of the ordinary user."""
        for user in self.both_users():
            with Daemon(user=user, **options) as daemon, Client(daemon) as client:
                yield daemon, client

    def image(self, graph, **attrs):
        return graph.source(f"docker-image://{self.base}:latest", **attrs)

    def made(self, client, graph, last, *paths):
        """Builds `last` and gives out the texts of its files."""
        with client.frontend("made-" + str(time.monotonic_ns())) as frontend:
            ref = frontend.solve(graph.definition(last))
            texts = [frontend.read(ref, path) for path in paths]
        return texts[0] if len(texts) == 1 else texts

    def status(self, client, ref):
        """Everything that Status says of a build: (vertices by name, statuses, logs, initial metadata)."""
        call = client.control("Status", Ref=ref)
        started = dict(call.initial_metadata())
        vertices, statuses, logs = {}, [], []
        for part in call:
            for vertex in part.vertexes:
                vertices.setdefault(vertex.name, []).append(vertex)
            statuses += part.statuses
            logs += part.logs
        return vertices, statuses, logs, started
