"""What is played, in which world: all transcripts one after the other, as they were taken, against one daemon."""
import base64
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

from . import compare, messages, support, transcript, world
from .client_side import ClientSide
from .daemon_side import DaemonSide

MTIME_NS = 1735787045123456789


def transcripts(directory, only):
    """In the order in which they build on each other: what lies in the cache is asked last."""
    for path in sorted(directory.glob("[0-9]*.jsonl"), key=lambda path: (path.name.startswith(("03-", "04-")), path.name)):
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
            if "oci-layout://store@sha256:$DIGEST1" in one.text and f"={name}" in one.text and store.last_manifest:
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
    """Plays the daemons to the built buildctl."""

    def __init__(self):
        self.dir = support.machine.scratch("wire")
        for directory, files in support.FIXTURES.items():
            write_tree(directory.replace("$TMP", self.dir), files)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir + "/id_wire"], check=True)

    def takes(self, one):
        """Conversations of buildctl that end by themselves: the other programs are not ours, and signals are another matter."""
        commands = [command["cmd"] for command in one.scenario["commands"] if "/d.sock" not in command["cmd"]]
        return all(command.startswith("buildctl ") and not command.endswith("&") for command in commands)

    def play(self, one):
        names = compare.Names({"$TMP": self.dir}, loose=True, invent=True)
        connections = [event["cn"] for event in one.events if event["conn"] == "outer" and event["kind"] == "conn_open"]
        commands = [command for command in one.scenario["commands"] if "/d.sock" not in command["cmd"]]
        env = self.environment(one)
        found = []
        for index, command in enumerate(commands):
            side = DaemonSide(one, connections[index] if index < len(connections) else 0, names, f"{self.dir}/s.sock")
            argv = shlex.split(names.fill(command["cmd"]))
            for call in side.calls.values():
                if call.method.endswith("FileSync/DiffCopy") and "followpaths" not in call.metadata:
                    as_sent(re.search(rf"--local {re.escape(call.metadata['dir-name'][0])}=(\S+)", names.fill(command["cmd"])), call)
            found += side.run([support.machine.bin_dir() + "/buildctl", *argv[1:]], env, stdin_of(one, side), self.dir)
            if side.code != command["rc"]:
                found.append(f"{command['cmd']}: exit {side.code}, want {command['rc']}: {side.output[-600:]}")
        return found

    def environment(self, one):
        """What the recorded client's secrets and credentials were, from what it answered."""
        env, auths = {"PATH": support.machine.PATH, "HOME": self.dir, "DOCKER_CONFIG": self.dir + "/docker"}, {}
        for call in one.calls.values():
            asked, said = (call.sent("s>c") + [{}])[0], (call.sent("c>s") + [{}])[0]
            if call.method.endswith("/GetSecret") and "data" in said:
                variable = re.search(rf"id={re.escape(asked.get('ID', ''))},env=(\w+)", one.text)
                if variable:
                    env[variable[1]] = messages.raw(said["data"]).decode()
                else:
                    pathlib.Path(self.dir, "sec1").write_bytes(messages.raw(said["data"]))
            elif call.method.endswith("Auth/FetchToken") and "oauth token" in (call.end or {}).get("message", ""):
                auths[asked["Host"]] = {"auth": base64.b64encode(b"wireuser:wirepass").decode()}
            elif call.method.endswith("Control/Solve") and "SourcePolicy" in asked_of(call):
                for path in re.findall(r"--source-policy-file \$TMP/(\S+?)[\s\"]", one.text):
                    pathlib.Path(self.dir, path).write_text(json.dumps(with_numbers(asked_of(call)["SourcePolicy"])))
            elif call.method.endswith("Auth/Credentials") and "Username" in said:
                auths[asked["Host"]] = {"auth": base64.b64encode(f"{said['Username']}:{said['Secret']}".encode()).decode()}
        os.makedirs(self.dir + "/docker", exist_ok=True)
        pathlib.Path(self.dir, "docker/config.json").write_text(json.dumps({"auths": auths}))
        return env

    def close(self):
        pass


def asked_of(call):
    return (call.sent("c>s") + [{}])[0]


def with_numbers(policy):
    """A policy file has numbers where messages have them as texts."""
    return {key: int(value) if key == "version" else value for key, value in policy.items()}


def stdin_of(one, side):
    """The graph that the recorded client read, from what it sent on; one that it refused itself is made anew."""
    names = compare.Names({}, loose=False)
    for call in side.calls.values():
        for message in call.sent("c>s"):
            if call.method.endswith("LLBBridge/Solve") and "Definition" in message:
                return messages.make(messages.pb.Definition, message["Definition"], names).SerializeToString()
            refused = re.search(r"unknown API capability (\S+)", message.get("error", {}).get("message", ""))
            if refused:
                graph = support.api.Graph()
                return graph.definition(graph.add(messages.pb.Op(source=messages.pb.SourceOp(identifier="local://x")), caps=(refused[1],))).SerializeToString()
    return b""


def as_sent(found, call):
    """Brings a directory into the state in which the recorded client sent it: builds follow each other with changes between."""
    entries = [message["stat"] for message in call.sent("c>s") if "stat" in message]
    if not found or not entries:
        return
    sent = {entry["path"] for entry in entries}
    for top, _, names in os.walk(found[1]):
        for name in names:
            path = os.path.relpath(os.path.join(top, name), found[1])
            if path not in sent:
                os.unlink(os.path.join(top, name))
    data = {}
    for message in call.sent("c>s"):
        if message["type"] == "PACKET_DATA" and "data" in message:
            data[message.get("ID", 0)] = data.get(message.get("ID", 0), b"") + messages.raw(message["data"])
    write_tree(found[1], [{"path": entries[number]["path"], "mode": entries[number]["mode"], "text": text.decode("latin-1")} for number, text in data.items()
                          if not os.path.exists(os.path.join(found[1], entries[number]["path"])) or os.path.getsize(os.path.join(found[1], entries[number]["path"])) != len(text)])
    for entry in entries:
        if os.path.lexists(path := os.path.join(found[1], entry["path"])):
            os.utime(path, ns=(int(entry["modTime"]),) * 2, follow_symlinks=False)


def write_tree(directory, files):
    for file in files:
        path = os.path.join(directory, file["path"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if file.get("dir"):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, file["mode"] & 0o7777)
        elif "symlink" in file:
            os.symlink(file["symlink"], path)
        elif "hardlink" in file:
            os.link(os.path.join(directory, file["hardlink"]), path)
        else:
            pathlib.Path(path).write_bytes(file["text"].encode() if "text" in file else bytes(file["len"]))
            os.chmod(path, file["mode"] & 0o7777)
    for top, names, entries in os.walk(directory, topdown=False):
        for name in names + entries + ["."]:
            os.utime(os.path.join(top, name), ns=(MTIME_NS, MTIME_NS), follow_symlinks=False)
