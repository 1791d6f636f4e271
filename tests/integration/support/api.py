"""A foreign client of the daemon: gRPC's own library for Python, messages made of proto/api by protoc, graphs built by hand.

`with Client(daemon) as client:` calls Control; `client.frontend(ref)` is a build that the client's own frontend runs;
`client.session(...)` serves files to the daemon through Control.Session, as gRPC inside of gRPC.
"""
import concurrent.futures
import contextlib
import hashlib
import importlib
import os
import queue
import socket
import subprocess
import sys
import threading

import grpc

from . import machine

BUILD_ID = "buildkit-controlapi-buildid"
GO_DIR, GO_LINK = 1 << 31, 1 << 27
_made = None


def _module(path):
    """The messages of one file below proto/api."""
    global _made
    if _made is None:
        _made = machine.scratch("protos")
        top = machine.TOP / "proto/api"
        subprocess.run(["protoc", f"-I{top}", f"--python_out={_made}", *sorted(str(file) for file in top.rglob("*.proto"))], check=True)
        sys.path.insert(0, _made)
    return importlib.import_module(path)


def directory():
    """Where the messages of proto/api stand as Python's."""
    return _made


control = _module("control.control_pb2")
gateway = _module("frontend.gateway_pb2")
health = _module("external.health_pb2")
fsutil = _module("fsutil.fsutil_pb2")
pull = _module("session.upload_pb2")
filesync = _module("session.filesync_pb2")
pb = _module("llb.ops_pb2")


def serialized(message):
    return message.SerializeToString(deterministic=True)


class Graph:
    """Operations by the digest of their bytes, as clients send them."""

    def __init__(self):
        self.ops, self.metadata = [], {}

    def add(self, op, inputs=(), ignore_cache=False, name="", caps=()):
        """Adds the operation and returns its digest; `inputs` are digests or (digest, output)."""
        for one in inputs:
            digest, index = one if isinstance(one, tuple) else (one, 0)
            op.inputs.add(digest=digest, index=index)
        data = serialized(op)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if data not in self.ops:
            self.ops.append(data)
        meta = pb.OpMetadata(ignore_cache=ignore_cache)
        if name:
            meta.description["llb.customname"] = name
        for cap in caps:
            meta.caps[cap] = True
        self.metadata[digest] = meta
        return digest

    def source(self, identifier, name="", **attrs):
        op = pb.Op(source=pb.SourceOp(identifier=identifier))
        for key, value in attrs.items():
            op.source.attrs[key.replace("_", ".")] = value
        return self.add(op, name=name)

    def file(self, inputs, *actions, **options):
        """FileOp of (input, secondary input, output, {"mkfile": {…}})."""
        op = pb.Op()
        for first, second, output, action in actions:
            op.file.actions.add(input=first, secondaryInput=second, output=output, **action)
        return self.add(op, inputs, **options)

    def run(self, inputs, args, mounts=(), network=pb.UNSET, platform=None, name="", ignore_cache=False, **meta):
        """ExecOp on the first input as its root, whose new state is output 0."""
        op = pb.Op(platform=platform)
        op.exec.network = network
        op.exec.meta.args.extend(args if isinstance(args, list) else ["sh", "-c", args])
        op.exec.meta.MergeFrom(pb.Meta(**{"cwd": "/", **meta}))
        op.exec.mounts.add(input=0, dest="/", output=0)
        for mount in mounts:
            op.exec.mounts.add(**mount)
        return self.add(op, inputs, name=name, ignore_cache=ignore_cache)

    def definition(self, last):
        digest, index = last if isinstance(last, tuple) else (last, 0)
        top = pb.Op()
        top.inputs.add(digest=digest, index=index)
        definition = pb.Definition(**{"def": self.ops + [serialized(top)]})
        for key, value in self.metadata.items():
            definition.metadata[key].CopyFrom(value)
        return definition


class Client:
    def __init__(self, daemon):
        self.daemon = daemon
        self.channel = grpc.insecure_channel("unix:" + daemon.socket, options=[("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20), ("grpc.use_local_subchannel_pool", 1)])
        self.pool = concurrent.futures.ThreadPoolExecutor(16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.pool.shutdown()

    def call(self, module, service, method, metadata=(), timeout=60, **fields):
        """The answer (an iterator of a method that streams); grpc.RpcError of a refusal."""
        found = module.DESCRIPTOR.services_by_name[service].methods_by_name[method]
        request, response = found.input_type._concrete_class, found.output_type._concrete_class
        streams = method in ("Status", "Prune", "Watch", "ListenBuildHistory")
        make = self.channel.unary_stream if streams else self.channel.unary_unary
        call = make(f"/{module.DESCRIPTOR.package}.{service}/{method}", request_serializer=request.SerializeToString, response_deserializer=response.FromString)
        return call(request(**fields), metadata=metadata, timeout=timeout)

    def control(self, method, **fields):
        return self.call(control, "Control", method, **fields)

    def refusal(self, function, *args, **fields):
        """(code, text) of a call that has to fail."""
        try:
            function(*args, **fields)
        except grpc.RpcError as error:
            return error.code(), error.details()
        raise AssertionError("the call was expected to fail")

    def solve(self, ref, **fields):
        return self.pool.submit(self.control, "Solve", Ref=ref, **fields)

    @contextlib.contextmanager
    def frontend(self, ref, **fields):
        """A build that waits for its frontend, which is the caller; a result that is not returned by hand is empty."""
        solving = self.solve(ref, **fields)
        bridge = Frontend(self, ref, solving)
        try:
            yield bridge
        finally:
            if not bridge.returned:
                bridge.call("Return", result=gateway.Result())
        if not bridge.failed:
            bridge.response = solving.result(60)

    @contextlib.contextmanager
    def session(self, name="tests", trees=None, key="", methods=None, uuid=""):
        session = Session(self, name, {} if trees is None else trees, key, methods, uuid)
        try:
            yield session
        finally:
            session.close()


class Frontend:
    def __init__(self, client, ref, solving):
        self.client, self.ref, self.solving, self.returned, self.failed, self.response = client, ref, solving, False, False, None

    def call(self, method, **fields):
        if method == "Return":
            self.returned, self.failed = True, "error" in fields
        return self.client.call(gateway, "LLBBridge", method, metadata=((BUILD_ID, self.ref),), **fields)

    def solve(self, definition, **fields):
        """The ref of a graph's result."""
        return self.call("Solve", Definition=definition, allowResultReturn=True, allowResultArrayRef=True, **fields).result.ref.id

    def read(self, ref, path):
        return self.call("ReadFile", Ref=ref, FilePath=path).Data.decode()

    def stat(self, ref, path):
        return self.call("StatFile", Ref=ref, Path=path).stat

    def names(self, ref, path="/", pattern=""):
        return [entry.path for entry in self.call("ReadDir", Ref=ref, DirPath=path, IncludePattern=pattern).entries]


class Session:
    """Files of `trees` ({directory name: {path: bytes}}) for the daemon; what exporters send comes into `files` and `bytes`."""

    def __init__(self, client, name, trees, key, methods, uuid):
        self.id = uuid or hashlib.sha256(os.urandom(16)).hexdigest()[:25]
        self.trees, self.asked, self.requested, self.headers, self.files, self.bytes, self.largest, self.largest_data = trees, [], [], {}, {}, b"", 0, 0
        self.as_bytes = False
        self.uploads = {}  # bytes by id, for http://buildkit-session/ID; each once
        where = os.path.join(machine.scratch("session"), "s")
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port("unix:" + where)
        self.server.start()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(where)
        self.out = queue.Queue()
        methods = ["/grpc.health.v1.Health/Check", "/moby.filesync.v1.FileSync/DiffCopy", "/moby.filesync.v1.FileSend/DiffCopy", "/moby.upload.v1.Upload/Pull"] if methods is None else methods
        metadata = [("x-docker-expose-session-uuid", self.id), ("x-docker-expose-session-name", name), ("x-docker-expose-session-sharedkey", key)]
        metadata += [("x-docker-expose-session-grpc-method", method) for method in methods]
        tunnel = client.channel.stream_stream("/moby.buildkit.v1.Control/Session", request_serializer=control.BytesMessage.SerializeToString, response_deserializer=control.BytesMessage.FromString)
        self.call = tunnel(iter(self.out.get, None), metadata=metadata)
        self.threads = [threading.Thread(target=self.send), threading.Thread(target=self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while True:
            try:
                data = self.socket.recv(32 << 10)
            except OSError:
                data = b""
            if not data:
                return self.out.put(None)
            self.out.put(control.BytesMessage(data=data))

    def receive(self):
        with contextlib.suppress(grpc.RpcError, OSError):
            for message in self.call:
                self.largest = max(self.largest, len(message.data))
                self.socket.sendall(message.data)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        self.socket.close()
        self.server.stop(0).wait()

    def service(self, details):
        """gRPC asks here which function answers a method (grpc.GenericRpcHandler)."""
        packets = dict(request_deserializer=fsutil.Packet.FromString, response_serializer=fsutil.Packet.SerializeToString)
        if details.method == "/grpc.health.v1.Health/Check":
            answer = lambda request, context: self.asked.append("health") or health.HealthCheckResponse(status=health.HealthCheckResponse.SERVING)
            return grpc.unary_unary_rpc_method_handler(answer, health.HealthCheckRequest.FromString, health.HealthCheckResponse.SerializeToString)
        if details.method == "/moby.upload.v1.Upload/Pull":
            return grpc.stream_stream_rpc_method_handler(self.give_upload, pull.BytesMessage.FromString, pull.BytesMessage.SerializeToString)
        if details.method == "/moby.filesync.v1.FileSync/DiffCopy":
            return grpc.stream_stream_rpc_method_handler(self.upload, **packets)
        if details.method == "/moby.filesync.v1.FileSend/DiffCopy":
            if self.as_bytes:
                return grpc.stream_stream_rpc_method_handler(self.take_bytes, filesync.BytesMessage.FromString, filesync.BytesMessage.SerializeToString)
            return grpc.stream_stream_rpc_method_handler(self.take_files, **packets)
        return None

    def note(self, context):
        headers = {}
        for key, value in context.invocation_metadata():
            headers.setdefault(key, []).append(value)
        self.headers = headers
        return headers

    def upload(self, packets, context):
        """The sender's half of a transfer: all entries, then the files that are asked for, until both said FIN."""
        headers = self.note(context)
        self.asked.append(headers["dir-name"][0])
        tree = self.trees.get(headers["dir-name"][0])
        if tree is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no access allowed to dir " + repr(headers["dir-name"][0]))
        entries = sorted({"/".join(path.split("/")[:i + 1]) for path in tree for i in range(path.count("/") + 1)}, key=lambda path: path.split("/"))
        for path in entries:
            data = tree.get(path)
            mode = GO_DIR | 0o755 if data is None else 0o644
            yield fsutil.Packet(type=fsutil.Packet.PACKET_STAT, stat=fsutil.Stat(path=path, mode=mode, size=len(data or b""), modTime=1600000000 * 10**9))
        yield fsutil.Packet(type=fsutil.Packet.PACKET_STAT)
        for packet in packets:
            if packet.type == fsutil.Packet.PACKET_REQ:
                data = tree[entries[packet.ID]]
                self.requested.append(entries[packet.ID])
                for begin in range(0, len(data), 32 << 10):
                    yield fsutil.Packet(type=fsutil.Packet.PACKET_DATA, ID=packet.ID, data=data[begin:begin + (32 << 10)])
                yield fsutil.Packet(type=fsutil.Packet.PACKET_DATA, ID=packet.ID)
            elif packet.type == fsutil.Packet.PACKET_FIN:
                yield fsutil.Packet(type=fsutil.Packet.PACKET_FIN)
                return
            elif packet.type == fsutil.Packet.PACKET_ERR:
                return

    def give_upload(self, _, context):
        headers = self.note(context)
        data = self.uploads.pop(headers["urlpath"][0].rpartition("/")[2], None)
        if data is None:
            context.abort(grpc.StatusCode.UNKNOWN, "no http response from session for " + headers["urlpath"][0])
        for begin in range(0, len(data), 1 << 20):
            yield pull.BytesMessage(data=data[begin:begin + (1 << 20)])

    def take_files(self, packets, context):
        """The receiver's half: every regular file is asked for."""
        self.note(context)
        stats, open_files = [], set()
        listed = False
        for packet in packets:
            if packet.type == fsutil.Packet.PACKET_STAT and packet.HasField("stat"):
                stats.append(packet.stat)
                regular = packet.stat.mode >> 9 == 0
                self.files[packet.stat.path] = b"" if regular else None
                if regular:
                    open_files.add(len(stats) - 1)
                    yield fsutil.Packet(type=fsutil.Packet.PACKET_REQ, ID=len(stats) - 1)
            elif packet.type == fsutil.Packet.PACKET_STAT:
                listed = True
            elif packet.type == fsutil.Packet.PACKET_DATA and packet.data:
                self.largest_data = max(self.largest_data, len(packet.data))
                self.files[stats[packet.ID].path] += packet.data
            elif packet.type == fsutil.Packet.PACKET_DATA:
                open_files.discard(packet.ID)
            elif packet.type == fsutil.Packet.PACKET_FIN:
                return
            if listed and not open_files:
                listed = False
                yield fsutil.Packet(type=fsutil.Packet.PACKET_FIN)

    def take_bytes(self, messages, context):
        self.note(context)
        for message in messages:
            self.bytes += message.data
        return iter(())
