"""Plays the daemon of a transcript to our buildctl, run with the recorded command line, and compares what the client sends.

Events of the daemon happen in their recorded order; each waits for what the recorded daemon had seen before it: calls of the client, and
messages of its call.
"""
import contextlib
import os
import queue
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from . import compare, messages, support
from .client_side import OPTIONS, STREAMS_IN, TUNNEL, Played, Stuck

WAIT_SECONDS = 8
TRACES = "TraceService/Export"


class DaemonSide:
    """One command of a transcript: one connection."""

    def __init__(self, transcript, cn, names, socket_path):
        self.names, self.changed, self.found = names, threading.Condition(), []
        self.calls = {number: call for number, call in transcript.calls.items() if call.cn_of_outer(transcript) == cn and not call.method.endswith(TRACES)}
        self.events = [event for event in transcript.events if event.get("call") in self.calls]
        self.played, self.queues, self.inner, self.sessions = {}, {}, {}, {}
        self.over = False
        self.pool = ThreadPoolExecutor(32)
        self.server = grpc.server(self.pool, options=OPTIONS)
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port("unix:" + socket_path)
        self.server.start()

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.over, WAIT_SECONDS) or not condition():
                raise Stuck(f"the client did not come to {what}" if self.over else f"waited {WAIT_SECONDS} s for {what}")

    def note(self, action):
        with self.changed:
            action()
            self.changed.notify_all()

    def run(self, argv, env, stdin, cwd):
        thread = threading.Thread(target=self.play, daemon=True)
        thread.start()
        try:
            done = subprocess.run(argv, env=env, input=stdin, capture_output=True, timeout=WAIT_SECONDS * 3, cwd=cwd)
            self.code, self.output = done.returncode, done.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.code, self.output = None, "did not end"
        time.sleep(0.05)
        self.note(lambda: setattr(self, "over", True))
        thread.join(WAIT_SECONDS)
        for session in self.sessions.values():
            session.close()
        self.server.stop(0)
        return self.found + self.compare()

    # ---- calls of the client ----

    def service(self, details):
        try:
            request, response = messages.method_types(details.method)
        except KeyError:
            return None
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self.answer(details.method, requests, context), request.FromString, response.SerializeToString)

    def answer(self, method, requests, context):
        if method.endswith(TRACES):
            return
        with self.changed:
            call = next((one for one in self.calls.values() if one.conn == "outer" and one.method == method and one.number not in self.played), None)
            if call is None:
                self.found.append(f"{method} was called and is not recorded")
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "not recorded")
            played = self.played[call.number] = Played()
            self.queues[call.number] = queue.Queue()
            played.headers = [(one.key, one.value) for one in context.invocation_metadata()]
            compare.headers(call.metadata, played.headers, self.names, "")
            if method == TUNNEL:
                self.sessions[call.number] = Tunnel(self.queues[call.number])
            self.changed.notify_all()
        threading.Thread(target=self.collect, args=(call, played, requests), daemon=True).start()
        while (event := self.queues[call.number].get()) is not None:
            if isinstance(event, bytes):
                yield messages.method_types(method)[1](data=event)
            elif event["kind"] == "headers":
                context.send_initial_metadata([(key, str(time.time_ns())) for key in event.get("metadata", {})])
            elif event["kind"] == "msg":
                yield messages.make(messages.method_types(method)[1], event["msg"], self.names)
            else:
                finish(event["status"], context, self.names)
                return

    def collect(self, call, played, requests):
        recorded = call.sent("c>s")
        with contextlib.suppress(Exception):  # a call that is cancelled ends its iterator with one
            for message in requests:
                if call.method == TUNNEL:
                    self.sessions[call.number].give(message.data)
                    continue
                value = messages.plain(message)
                with self.changed:
                    if len(played.received) < len(recorded):
                        compare.differences(recorded[len(played.received)], value, self.names, "")
                    played.received.append(value)
                    self.changed.notify_all()
        self.note(lambda: setattr(played, "closed", True))

    # ---- the daemon's events ----

    def play(self):
        try:
            for event in self.events:
                if event["dir"] == "s>c":
                    self.wait_for_what_was_seen(event)
                    (self.outer_event if event["conn"] == "outer" else self.inner_event)(event)
        except Stuck as stuck:
            self.found.append(str(stuck))
        finally:
            for one in self.queues.values():
                one.put(None)

    def wait_for_what_was_seen(self, event):
        seq, call = event["seq"], self.calls[event["call"]]
        for one in self.events:
            if one["kind"] == "start" and one["conn"] == "outer" and one["seq"] < seq:
                self.wait(lambda: one["call"] in self.played, f"the call {one['method']} before event {seq}")
        if event["kind"] in ("msg", "trailers", "half_close", "reset") and not event.get("after_trailers") and call.number in (self.played | self.inner):
            need = len(call.sent("c>s", seq))
            mine = self.played.get(call.number) or self.inner[call.number][1]
            self.wait(lambda: len(mine.received) >= need or mine.end is not None, f"{need} messages of {call.method} before event {seq}")
        if event["kind"] == "trailers":
            for one in self.calls.values():
                if one.conn == "inner" and one.number in self.inner and one.ended_before(seq):
                    self.wait(lambda: self.inner[one.number][1].end is not None, f"the end of {one.method} before event {seq}")
            if call.method == TUNNEL:
                self.wait(lambda: self.played[call.number].closed, "the end of the session")

    def outer_event(self, event):
        if event["kind"] in ("headers", "msg", "trailers"):
            self.queues[event["call"]].put(event)

    def inner_event(self, event):
        call = self.calls[event["call"]]
        packets = call.method.endswith("FileSend/DiffCopy") and any("type" in one for one in call.sent("s>c"))
        request, response = (messages.Packet, messages.Packet) if packets else messages.method_types(call.method)
        if event["kind"] == "start":
            self.wait(lambda: call.over in self.sessions, "the session")
            out, played = queue.Queue(), Played()
            make = self.sessions[call.over].channel().stream_stream(call.method, request_serializer=request.SerializeToString, response_deserializer=response.FromString)
            metadata = [(key, self.names.fill(value)) for key, values in call.metadata.items() if not compare.FREE_HEADERS.match(key) for value in values]
            running = make(iter(out.get, None), metadata=metadata)
            self.inner[call.number] = (out, played, running)
            threading.Thread(target=self.read, args=(running, played), daemon=True).start()
        elif event["kind"] == "msg":
            self.inner[call.number][0].put(messages.make(request, event["msg"], self.names))
        elif event["kind"] == "half_close":
            self.inner[call.number][0].put(None)
        elif event["kind"] == "reset" and not event.get("after_trailers"):
            self.inner[call.number][2].cancel()

    def read(self, running, played):
        with contextlib.suppress(grpc.RpcError):
            for message in running:
                value = messages.plain(message)
                self.note(lambda: played.received.append(value))
        end = messages.status(running.code().value[0], running.details(), running.trailing_metadata())
        self.note(lambda: setattr(played, "end", end))

    # ---- what came ----

    def compare(self):
        out = []
        for call in self.calls.values():
            path = f"#{call.number} {call.method.rpartition('.')[2]}"
            if call.conn == "outer" and call.number in self.played:
                got = self.played[call.number]
                out += compare.headers(call.metadata, got.headers, self.names, path)
                if call.method != TUNNEL:
                    out += compare.messages_of(call.method + "!", call.sent("c>s"), got.received, self.names, path)
            elif call.conn == "outer":
                out.append(f"{path} is recorded and was not called")
            elif call.number in self.inner:
                got = self.inner[call.number][1]
                out += compare.messages_of(call.method, call.sent("c>s"), got.received, self.names, "inside " + path)
                if call.end is not None:
                    out += compare.differences(compare.without_places(call.end), compare.without_places(got.end or {}), self.names, f"inside {path}/end")
        return out


def finish(status, context, names):
    if not status.get("code") or isinstance(status["code"], str):
        return
    details = [messages.make(messages.Any, one, names) for one in status.get("details", [])]
    if details:
        packed = messages.Status(code=status["code"], message=names.fill(status.get("message", "")), details=details)
        context.set_trailing_metadata((("grpc-status-details-bin", packed.SerializeToString()),))
    context.set_code({code.value[0]: code for code in grpc.StatusCode}[status["code"]])
    context.set_details(names.fill(status.get("message", "")))


class Tunnel:
    """The inner connection of one session: gRPC's client here, whose bytes travel in the session's messages."""

    def __init__(self, out):
        self.out, self.peer, self.early = out, None, []
        self.path = os.path.join(support.machine.scratch("tunnel"), "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.lock, self.made = threading.Lock(), grpc.insecure_channel("unix:" + self.path, options=OPTIONS + [("grpc.default_authority", "localhost")])
        threading.Thread(target=self.pump, daemon=True).start()

    def channel(self):
        return self.made

    def pump(self):
        with contextlib.suppress(OSError):
            peer, _ = self.listener.accept()
            with self.lock:
                self.peer = peer
                for data in self.early:
                    peer.sendall(data)
            while data := peer.recv(32 << 10):
                self.out.put(data)

    def give(self, data):
        with self.lock, contextlib.suppress(OSError):
            if self.peer is None:
                self.early.append(data)
            else:
                self.peer.sendall(data)

    def close(self):
        self.made.close()
        self.listener.close()
