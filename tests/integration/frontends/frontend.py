"""A frontend for gateway.v0 in Python: gRPC's own library over standard input and output, the newest forms of the calls.

What it does is told by the option "do" (BUILDKIT_FRONTEND_OPT_n); its answer goes into the metadata of the result or into
a file of the tree that it returns.
"""
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, "/protos")
import grpc  # noqa: E402
from frontend import gateway_pb2 as gw  # noqa: E402
from llb import ops_pb2 as pb  # noqa: E402
from errors import status_pb2  # noqa: E402
import hashlib  # noqa: E402

OPTS = dict(value.split("=", 1) for key, value in os.environ.items() if key.startswith("BUILDKIT_FRONTEND_OPT_"))


def connect():
    """A channel over file descriptors 0 and 1: gRPC for Python takes addresses only, so a socket stands between."""
    path = "/tmp/frontend.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def pump(read, write):
        while True:
            data = read()
            if not data:
                return
            write(data)

    def serve():
        peer, _ = listener.accept()
        threading.Thread(target=pump, args=(lambda: os.read(0, 65536), peer.sendall), daemon=True).start()

        def out(data):
            while data:
                data = data[os.write(1, data):]
        pump(lambda: peer.recv(65536), out)

    threading.Thread(target=serve, daemon=True).start()
    return grpc.insecure_channel("unix:" + path)


class Bridge:
    def __init__(self):
        self.channel = connect()

    def call(self, method, **fields):
        found = gw.DESCRIPTOR.services_by_name["LLBBridge"].methods_by_name[method]
        request, response = found.input_type._concrete_class, found.output_type._concrete_class
        call = self.channel.unary_unary("/moby.buildkit.v1.frontend.LLBBridge/" + method, request_serializer=request.SerializeToString, response_deserializer=response.FromString)
        return call(request(**fields), timeout=60)


def definition(*ops):
    """Each op takes the one before as its first input."""
    out, last = pb.Definition(), ""
    for op in ops:
        if last:
            op.inputs.add(digest=last)
        data = op.SerializeToString(deterministic=True)
        last = "sha256:" + hashlib.sha256(data).hexdigest()
        getattr(out, "def").append(data)
    top = pb.Op()
    top.inputs.add(digest=last)
    getattr(out, "def").append(top.SerializeToString(deterministic=True))
    return out


def text_file(name, data):
    op = pb.Op(platform=pb.Platform(OS="linux", Architecture="amd64"))
    action = op.file.actions.add(input=-1, secondaryInput=-1, output=0)
    action.mkfile.path, action.mkfile.data, action.mkfile.mode = "/" + name, data, 0o644
    return op


def solve(bridge, last, **fields):
    return bridge.call("Solve", Definition=last, allowResultReturn=True, allowResultArrayRef=True, **fields).result.ref.id


def report(bridge):
    """A tree with one file that says what the frontend saw."""
    seen = {"opts": OPTS, "session": os.environ["BUILDKIT_SESSION_ID"], "workers": json.loads(os.environ["BUILDKIT_WORKERS"]),
            "product": os.environ["BUILDKIT_EXPORTEDPRODUCT"], "uid": os.getuid(), "cwd": os.getcwd(),
            "metadata": len(open("/run/config/buildkit/metadata/frontend.bin", "rb").read()),
            "interfaces": sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else [],
            "caps": len(bridge.call("Ping").FrontendAPICaps), "inputs": sorted(bridge.call("Inputs").Definitions)}
    ref = solve(bridge, definition(text_file("report", json.dumps(seen).encode())))
    assert bridge.call("ReadFile", Ref=ref, FilePath="report", Range=gw.FileRange(Offset=0, Length=1)).Data == b"{"
    bridge.call("Return", result=gw.Result(ref=gw.Ref(id=ref), metadata={"frontend.said": b"python"}))


def container(bridge):
    """Runs a process in a container of this very image and returns what it wrote."""
    local = pb.Op(source=pb.SourceOp(identifier="docker-image://" + OPTS["source"] + ":latest"), platform=pb.Platform(OS="linux", Architecture="amd64"))
    ref = solve(bridge, definition(local))
    bridge.call("NewContainer", ContainerID="c1", Mounts=[pb.Mount(dest="/", resultID=ref)])
    requests = [gw.ExecMessage(ProcessID="p1", Init=gw.InitMessage(ContainerID="c1", Fds=[0, 1, 2], Meta=pb.Meta(args=["/usr/bin/python3", "-c", "import sys; print('got ' + sys.stdin.read())"], cwd="/"))),
                gw.ExecMessage(ProcessID="p1", File=gw.FdMessage(Fd=0, Data=b"input", EOF=True))]
    out, code = b"", None
    exec_process = bridge.channel.stream_stream("/moby.buildkit.v1.frontend.LLBBridge/ExecProcess", request_serializer=gw.ExecMessage.SerializeToString, response_deserializer=gw.ExecMessage.FromString)
    for message in exec_process(iter(requests)):
        out += message.File.Data
        if message.HasField("Exit"):
            code = message.Exit.Code
    bridge.call("ReleaseContainer", ContainerID="c1")
    ref = solve(bridge, definition(text_file("report", json.dumps({"out": out.decode(), "code": code}).encode())))
    bridge.call("Return", result=gw.Result(ref=gw.Ref(id=ref)))


def refuse(bridge):
    bridge.call("Return", error=status_pb2.Status(code=9, message="this frontend refuses"))


def twice(bridge):
    ref = solve(bridge, definition(text_file("report", b"{}")))
    bridge.call("Return", result=gw.Result(ref=gw.Ref(id=ref)))
    try:
        bridge.call("Return", result=gw.Result(ref=gw.Ref(id=ref)))
    except grpc.RpcError as error:
        print("second: " + error.details(), file=sys.stderr)


def old(bridge):
    """As clients from before references had definitions: no Ping, operations without a platform."""
    op = text_file("report", b'{"old": 1}')
    op.ClearField("platform")
    answer = bridge.call("Solve", Definition=definition(op), allowResultReturn=True).result
    assert answer.WhichOneof("result") == "refDeprecated", answer
    bridge.call("Return", result=gw.Result(refDeprecated=answer.refDeprecated, metadata={"containerimage.config/linux/amd64": b"{}"}))


def oldest(bridge):
    """As the first ones: the last Solve is the result."""
    op = text_file("report", b'{"oldest": 1}')
    op.ClearField("platform")
    answer = bridge.call("Solve", Definition=definition(op), Final=True, ExporterAttr=b"{}")
    assert answer.ref, answer
    assert bridge.call("ReadFile", Ref=answer.ref, FilePath="report").Data == b'{"oldest": 1}'


def leave(bridge):
    """Lets go of the connection, and lives on."""
    os.close(0)
    os.close(1)
    threading.Event().wait(600)


def drop(bridge):
    """The same in the middle of its work."""
    solve(bridge, definition(text_file("report", b"{}")))
    bridge.channel.close()
    leave(bridge)


def babble(bridge):
    """Writes on its standard output what is no HTTP/2."""
    os.write(1, b"the frontend says hello\n" * 1000)
    threading.Event().wait(600)


def late(bridge):
    """Returns, lets go of the connection, and has still something to do."""
    ref = solve(bridge, definition(text_file("report", b'{"late": 1}')))
    bridge.call("Return", result=gw.Result(ref=gw.Ref(id=ref)))
    os.close(0)
    os.close(1)
    if OPTS.get("then") == "stay":
        threading.Event().wait(600)
    time.sleep(1)


def busy(bridge):
    """Asks and asks; a step of its build runs meanwhile."""
    op = pb.Op(source=pb.SourceOp(identifier="docker-image://" + OPTS["source"] + ":latest"), platform=pb.Platform(OS="linux", Architecture="amd64"))
    run = pb.Op(platform=op.platform)
    run.exec.meta.args.extend(["/bin/sh", "-c", "echo a step is busy; sleep 600"])
    run.exec.meta.cwd = "/"
    run.exec.mounts.add(input=0, dest="/", output=0)
    threading.Thread(target=solve, args=(bridge, definition(op, run)), kwargs={"Evaluate": True}, daemon=True).start()
    ref = solve(bridge, definition(text_file("report", b"{}")))
    while True:
        bridge.call("ReadFile", Ref=ref, FilePath="report")


EVIL = "\x1b[2J\x1b[1;1H\x1b]0;owned\x07\x1bc\x9b2J\x08\r-evil"


def steer(bridge):
    """Escape sequences in all that a user is shown of a frontend."""
    for what in ("group", "name"):
        op = text_file("report", what.encode())
        op.ClearField("platform")  # then the daemon knows the operation by the digest of these bytes
        made = definition(op)
        digest = "sha256:" + hashlib.sha256(getattr(made, "def")[0]).hexdigest()
        made.metadata[digest].description["llb.customname"] = "name" + EVIL
        if what == "group":
            made.metadata[digest].progress_group.id = made.metadata[digest].progress_group.name = "group" + EVIL
        solve(bridge, made, Evaluate=True)
    bridge.call("Warn", digest=digest, level=1, short=("warning" + EVIL).encode(), detail=[("detail" + EVIL).encode()], url="https://x/" + EVIL,
                info=pb.SourceInfo(filename="file" + EVIL, data=("line" + EVIL + "\n").encode()), ranges=[pb.Range(start=pb.Position(line=1), end=pb.Position(line=1))])
    print("said" + EVIL, file=sys.stderr)
    bridge.call("Return", error=status_pb2.Status(code=9, message="error" + EVIL))


def main():
    do = OPTS.get("do", "report")
    if do in ("leave", "babble"):
        globals()[do](None)
    if do == "exit":
        print("the frontend gives up", file=sys.stderr)
        sys.exit(3)
    if do == "nothing":
        return
    if do == "hang":
        threading.Event().wait(600)
    {"report": report, "container": container, "refuse": refuse, "twice": twice, "old": old, "oldest": oldest, "drop": drop, "late": late, "busy": busy, "steer": steer}[do](Bridge())


main()
