"""What the tests' servers of HTTP have in common."""
import threading


class Served:
    """`with X() as x:` — `x.server` answers on a thread of its own until the end."""

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
