"""What is played, in which world: all transcripts one after the other, as they were taken, against one daemon."""
import re
import signal
import time

from . import compare, transcript, world
from .client_side import ClientSide


def transcripts(directory, only):
    for path in sorted(directory.glob("[0-9]*.jsonl")):
        if only in path.stem:
            yield transcript.Transcript(path)


class Clients:
    """Plays the clients against the built daemon."""

    def __init__(self):
        self.world, self.stores = world.World(), {}

    def takes(self, one):
        return True

    def play(self, one):
        self.told = False
        daemon = self.world.daemon or self.world.start()
        names = compare.Names({"$TMP": "/tmp/wire"}, loose="localhost:15" in one.text or "127.0.0.1:15" in one.text)
        for name, store in self.stores.items():
            if f"oci-layout://store@sha256:$DIGEST1" in one.text and f"={name}" in one.text and store.last_manifest:
                names.bind("sha256:$DIGEST1", store.last_manifest)
        side = ClientSide(one, daemon.socket, names, self.stores, self.signal)
        found = side.run()
        to_end = any(event["kind"] == "goaway" and event["dir"] == "s>c" and event["conn"] == "outer" for event in one.events)
        if to_end:
            self.world.daemon.process.wait(30)
        if self.world.daemon.process.poll() is not None:
            if not to_end:
                found.append(f"the daemon ended with {self.world.daemon.process.returncode}:\n{self.world.daemon.log()[-1500:]}")
            self.world.daemon = None
        self.prune(one)
        return found

    def prune(self, one):
        """What the recorded run did beside its transcript, at the daemon's own socket."""
        for command in one.scenario["commands"]:
            if re.match(r"buildctl --addr unix://\$TMP/d.sock prune --all", command["cmd"]) and self.world.daemon:
                self.world.daemon.buildctl("prune", "--all")

    def signal(self, event):
        """The recorded daemon was told to end: once when it said goodbye the first time, twice more when it cut the connection."""
        if event["kind"] == "goaway" and not self.told:
            self.told = True
            self.world.daemon.process.send_signal(signal.SIGTERM)
        elif event["kind"] == "conn_close" and self.told:
            for _ in range(2):
                time.sleep(0.5)
                self.world.daemon.process.send_signal(signal.SIGTERM)

    def close(self):
        self.world.close()


class Daemons:
    def takes(self, one):
        return False

    def close(self):
        pass
