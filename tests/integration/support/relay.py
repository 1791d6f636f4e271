"""A TCP port in front of a daemon's unix socket: a network that can be cut, be down, or fall silent."""
import socket
import threading
import time


class Relay:
    """`with Relay(daemon.socket) as relay:` — bytes go both ways until `silent`, `cut()` or `down`; cut once after `limit` bytes, not faster than `rate` bytes a second to the daemon, if set."""

    def __init__(self, path):
        self.path, self.silent, self.down, self.limit, self.rate, self.cuts, self.sockets = path, False, False, None, None, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        while True:
            try:
                inner = self.listener.accept()[0]
            except OSError:
                return
            if self.down:
                inner.close()
                continue
            outer = socket.socket(socket.AF_UNIX)
            try:
                outer.connect(self.path)
            except OSError:
                inner.close()
                outer.close()
                continue
            self.sockets += [inner, outer]
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.silent:
                    return
                if self.limit is not None:
                    self.limit -= len(data)
                    if self.limit < 0:
                        self.limit = None
                        self.cut()
                        return
                if self.rate is not None and sink.family == socket.AF_UNIX:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
            if not self.silent:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Ends every connection there is."""
        self.cuts += 1
        sockets, self.sockets = self.sockets, []
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept; closing alone leaves the port open
        except OSError:
            pass
        self.listener.close()
        self.cut()

    def __exit__(self, *_):
        self.close()
