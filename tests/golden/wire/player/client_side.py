"""Plays the client of a transcript against a daemon, and compares what the daemon answers and asks, call by call.

Events of the client happen in their recorded order. Each waits for what the recorded client had seen before it: ends of calls, messages
of its call, log lines. Calls of the daemon inside a session are answered with the recorded messages of the call that fits.
"""
import contextlib
import os
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from . import compare, messages, support
from .content import Store

WAIT_SECONDS = 12
OPTIONS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 1 << 20)]
TUNNEL = "/moby.buildkit.v1.Control/Session"
STREAMS_IN = ("/DiffCopy", "/ForwardAgent", "/Pull", "/Write")


class Stuck(Exception):
    pass


class Played:
    """What has come of one call."""

    def __init__(self):
        self.received, self.headers, self.end, self.closed = [], (), None, False


class ClientSide:
    def __init__(self, transcript, socket_path, names, stores, signal_daemon):
        self.transcript, self.socket_path, self.names, self.stores, self.signal_daemon = transcript, socket_path, names, stores, signal_daemon
        self.changed = threading.Condition()
        self.channels, self.queues, self.calls, self.played, self.sessions, self.found = {}, {}, {}, {}, {}, []

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(condition, WAIT_SECONDS):
                raise Stuck(f"waited {WAIT_SECONDS} s for {what}")

    def note(self, action):
        with self.changed:
            action()
            self.changed.notify_all()

    # ---- the client's events ----

    def run(self):
        try:
            for event in self.transcript.events:
                if event["conn"] == "outer" and event["dir"] == "c>s":
                    self.wait_for_what_was_seen(event)
                    getattr(self, "do_" + event["kind"], lambda event: None)(event)
                elif event["conn"] == "outer" and event["kind"] in ("goaway", "conn_close") and event["dir"] == "s>c":
                    self.signal_daemon(event)
            for call in self.transcript.calls.values():
                if call.conn == "outer" and call.end is not None:
                    self.wait(lambda: self.played[call.number].end is not None, f"the end of {call.method}")
        except Stuck as stuck:
            self.found.append(str(stuck))
        finally:
            for session in self.sessions.values():
                session.close()
            for channel in self.channels.values():
                channel.close()
        return self.found + self.compare()

    def wait_for_what_was_seen(self, event):
        seq = event["seq"]
        for call in self.transcript.calls.values():
            if call.conn == "outer" and call.number in self.played and call.ended_before(seq) and (call.method != TUNNEL or event["kind"] == "conn_close"):
                self.wait(lambda: self.played[call.number].end is not None, f"the end of {call.method} before event {seq}")
        if event["kind"] == "msg":
            call = self.transcript.calls[event["call"]]
            need = weight(call.sent("s>c", seq))
            self.wait(lambda: weight(self.played[call.number].received) >= need or self.played[call.number].end is not None, f"messages of {call.method} before event {seq}")
        if event["kind"] == "start":
            for call in self.transcript.calls.values():
                if call.method.endswith("/ExecProcess") and call.number in self.played and call.number != event["call"]:
                    need = weight(call.sent("s>c", seq))
                    self.wait(lambda: weight(self.played[call.number].received) >= need, f"what processes said before event {seq}")
        if event["kind"] in ("conn_open", "reset") or event.get("open_calls"):
            need = sum(len(logs(call.sent("s>c", seq))) for call in self.transcript.calls.values())
            self.wait(lambda: sum(len(logs(one.received)) for one in self.played.values()) >= need, f"{need} bytes of logs before event {seq}")
        if event["kind"] == "reset" or event.get("open_calls"):
            for session in self.sessions.values():
                need = sum(counted(call.sent("s>c", seq)) for call in session.recorded if not call.method.startswith("/grpc.health"))
                self.wait(lambda: session.count() >= need, f"{need} messages inside of the session before event {seq}")

    def do_conn_open(self, event):
        self.channels[event["cn"]] = grpc.insecure_channel("unix:" + self.socket_path, options=OPTIONS)

    def do_start(self, event):
        number, method = event["call"], event["method"]
        metadata = [(key, self.names.fill(value)) for key, values in event.get("metadata", {}).items() if not compare.FREE_HEADERS.match(key) for value in values]
        _, response = messages.method_types(method)
        self.queues[number], self.played[number] = queue.Queue(), Played()
        make = self.channels[event["cn"]].stream_stream(method, request_serializer=None, response_deserializer=response.FromString)
        call = make(iter(self.queues[number].get, None), metadata=metadata)
        self.calls[number] = call
        if method == TUNNEL:
            self.sessions[number] = Session(self, number, self.queues[number])
        threading.Thread(target=self.read, args=(number, call, self.sessions.get(number)), daemon=True).start()

    def do_msg(self, event):
        request, _ = messages.method_types(self.transcript.calls[event["call"]].method)
        self.queues[event["call"]].put(messages.make(request, event["msg"], self.names).SerializeToString())

    def do_half_close(self, event):
        self.queues[event["call"]].put(None)

    def do_reset(self, event):
        if not event.get("after_trailers"):
            self.calls[event["call"]].cancel()

    def do_conn_close(self, event):
        if event.get("open_calls"):
            for number, session in self.sessions.items():
                if self.transcript.calls[number].cn == event["cn"]:
                    session.close()
        self.channels[event["cn"]].close()

    def read(self, number, call, session):
        played = self.played[number]
        with contextlib.suppress(grpc.RpcError, ValueError):
            for message in call:
                if session is not None:
                    session.give(message.data)
                else:
                    self.learn(number, message)
        if session is not None:
            session.ended()
        try:
            played.headers = call.initial_metadata() or ()
            end = messages.status(call.code().value[0], call.details(), call.trailing_metadata())
        except (grpc.RpcError, ValueError):
            end = {"code": 1}
        self.note(lambda: setattr(played, "end", end))

    def learn(self, number, message):
        """Keeps a message; ids in it are known at once, for the client speaks of them next."""
        value = messages.plain(message)
        with self.changed:
            recorded, received = self.transcript.calls[number].sent("s>c"), self.played[number].received
            if len(received) < len(recorded) and not self.transcript.calls[number].method.endswith("/Status"):
                compare.differences(recorded[len(received)], value, self.names, "")
            received.append(value)
            self.changed.notify_all()

    # ---- what came ----

    def compare(self):
        out = []
        for call in self.transcript.calls.values():
            if call.conn != "outer" or call.number not in self.played:
                continue
            got, path = self.played[call.number], f"#{call.number} {call.method.rpartition('.')[2]}"
            if call.method != TUNNEL:
                found = compare.messages_of(call.method, call.sent("s>c"), got.received, self.names, path, self.transcript.side_by_side)
                out += found if call.end is not None else [one for one in found if "not expected" not in one]  # of a call that was cut more may have come
            if call.end is not None:
                out += compare.differences(compare.without_places(call.end), compare.without_places(got.end or {}), self.names, path + "/end")
            first = next((event for event in call.events if event["kind"] == "headers" and event["dir"] == "s>c"), None)
            if first is not None:
                out += compare.headers(first.get("metadata"), got.headers, self.names, path)
        for session in self.sessions.values():
            out += session.compare()
        return out


def weight(parts):
    """How much of a stream has come; what processes say counts by bytes, for pieces are the daemon's choice."""
    total = 0
    for one in parts:
        data = one.get("File", {}).get("Data") if isinstance(one.get("File"), dict) else None
        total += 1 if data is None else len(data if isinstance(data, bytes) else messages.raw(data))
    return total


def counted(parts):
    """Messages inside of a session, but for the last ones of transfers, which a cut may overtake."""
    return sum(one.get("type") != "PACKET_FIN" for one in parts)


def logs(parts):
    return b"".join(
        one["msg"] if isinstance(one["msg"], bytes) else messages.raw(one["msg"]) for part in parts for one in part.get("logs", []) if "msg" in one)


class Session:
    """The server inside of one Control.Session: what the daemon calls is answered as recorded."""

    def __init__(self, side, number, out):
        self.side, self.out = side, out
        self.recorded = side.transcript.inner(number)
        self.free, self.pairs, self.found = list(self.recorded), [], []
        where = os.path.join(support.machine.scratch("session"), "s")
        self.pool = ThreadPoolExecutor(32)
        self.server = grpc.server(self.pool, options=OPTIONS)
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port("unix:" + where)
        self.server.start()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(where)
        threading.Thread(target=self.send, daemon=True).start()

    # the tunnel

    def send(self):
        cls = messages.method_types(TUNNEL)[0]
        with contextlib.suppress(OSError):
            while data := self.socket.recv(32 << 10):
                self.out.put(cls(data=data).SerializeToString())
        self.out.put(None)

    def give(self, data):
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def ended(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.ended()
        self.server.stop(0)
        self.socket.close()

    def count(self):
        return sum(counted(played.received) for _, played in self.pairs)

    # the services

    def service(self, details):
        request, response = self.types(details.method)
        if details.method.startswith("/grpc.health"):
            return grpc.unary_unary_rpc_method_handler(lambda message, context: response(status=1), request.FromString, response.SerializeToString)
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self.answer(details.method, requests, context), request.FromString, response.SerializeToString)

    def types(self, method):
        """FileSend has one name and two payloads: packets of a local export, pieces of an archive."""
        if method.endswith("FileSend/DiffCopy") and any("type" in one for call in self.recorded if call.method == method for one in call.sent("s>c") + call.sent("c>s")):
            return messages.Packet, messages.Packet
        return messages.method_types(method)

    def answer(self, method, requests, context):
        played = Played()
        played.headers = [(one.key, one.value) for one in context.invocation_metadata()]
        context.add_callback(lambda: self.side.note(lambda: setattr(played, "closed", True)))
        threading.Thread(target=self.collect, args=(requests, played), daemon=True).start()
        if not method.endswith(STREAMS_IN):
            self.side.wait(lambda: played.received or played.closed, f"the request of {method}")
        call = self.choose(method, played)
        if call is None:
            self.found.append(f"inside: {method} was called and is not recorded: {compare.short(played.headers)} {compare.short(played.received)}")
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "not recorded")
        if ".Content/" in method:
            yield from self.store(played).answer(method, played, context, self.side)
            return
        yield from self.play(call, played, context)

    def collect(self, requests, played):
        with contextlib.suppress(Exception):  # a call that is cancelled ends its iterator with one
            for message in requests:
                value = messages.plain(message)
                self.side.note(lambda: played.received.append(value))
        self.side.note(lambda: setattr(played, "half_closed", True))

    def store(self, played):
        name = dict(played.headers).get("buildkit-attachable-store-id", "")
        return self.side.stores.setdefault(support.store_directory(self.side.transcript, name), Store())

    def choose(self, method, played):
        """The recorded call of that method that fits best: headers and request, then headers, then any."""
        with self.side.changed:
            best, score = None, 1 << 30
            for call in self.free:
                if call.method != method:
                    continue
                before = dict(self.side.names.values)
                worse = 2 * len(compare.headers(call.metadata, played.headers, self.side.names, ""))
                if not method.endswith(STREAMS_IN):
                    worse += len(compare.differences(call.sent("s>c"), played.received[:1], self.side.names, ""))
                self.side.names.values = before
                if worse < score:
                    best, score = call, worse
            if best is None and not method.endswith(("/DiffCopy", "/ForwardAgent", "/Pull")):  # asked again: the same answer again
                best = next((call for call in self.recorded if call.method == method and (
                    ".Content/" in method or not compare.differences(call.sent("s>c"), played.received[:1], self.side.names, ""))), None)
            elif best is not None:
                self.free.remove(best)
                self.pairs.append((best, played))
                compare.headers(best.metadata, played.headers, self.side.names, "")
                if not method.endswith("/Write"):  # blobs are written side by side: which is which, the pair does not say
                    compare.differences(best.sent("s>c")[:1], played.received[:1], self.side.names, "")
            return best

    def play(self, call, played, context):
        _, response = self.types(call.method)
        for event in call.events:
            if event["dir"] != "c>s":
                continue
            if event["kind"] == "msg":
                self.wait_before(call, event, played)
                if played.closed:
                    return
                message = messages.make(response, event["msg"], self.side.names)
                if call.method.endswith("Upload/Pull"):  # an archive, of which the transcript has the beginning only
                    message.data = support.tar_of("$TMP/tar39")
                yield message
            elif event["kind"] == "headers":
                context.send_initial_metadata(())
            elif event["kind"] == "trailers":
                self.wait_before(call, event, played)
                self.finish(event["status"], context)
                return
        with contextlib.suppress(Stuck):  # the recorded daemon cut the call
            self.side.wait(lambda: played.closed, f"the daemon's end of {call.method}")
            return
        self.found.append(f"inside: {call.method} was to be ended by the daemon")

    def finish(self, status, context):
        if status.get("code"):
            details = [messages.make(messages.Any, one, self.side.names) for one in status.get("details", [])]
            if details:
                packed = messages.Status(code=status["code"], message=self.side.names.fill(status.get("message", "")), details=details)
                context.set_trailing_metadata((("grpc-status-details-bin", packed.SerializeToString()),))
            context.set_code({code.value[0]: code for code in grpc.StatusCode}[status["code"]])
            context.set_details(self.side.names.fill(status.get("message", "")))

    def wait_before(self, call, event, played):
        """Until what the recorded client had received before this event has come here."""
        packet, seq = event.get("msg", {}), event["seq"]
        kind = packet.get("type")
        if kind == "PACKET_STAT" and "FileSync" in call.method:
            return
        if kind == "PACKET_DATA":
            ready = lambda: any(one.get("type") == "PACKET_REQ" and one.get("ID", 0) == packet.get("ID", 0) for one in played.received)
        elif kind == "PACKET_REQ":
            ready = lambda: sum(one.get("type", "PACKET_STAT") == "PACKET_STAT" for one in played.received) > packet.get("ID", 0)
        elif kind == "PACKET_FIN" and "FileSend" in call.method:
            need = sum(one.get("type") == "PACKET_DATA" and "data" not in one for one in call.sent("s>c", seq))
            ready = lambda: sum(one.get("type") == "PACKET_DATA" and "data" not in one for one in played.received) >= need
        elif event["kind"] == "trailers" and call.has("half_close", "s>c", seq):
            ready = lambda: getattr(played, "half_closed", False)
        else:
            need = len(call.sent("s>c", seq))
            ready = lambda: len(played.received) >= need
        self.side.wait(lambda: ready() or played.closed, f"what comes before event {seq} of {call.method}")

    def compare(self):
        out, names = list(self.found), self.side.names
        for call, played in self.pairs:
            path = f"inside #{call.number} {call.method.rpartition('.')[2]}"
            out += compare.headers(call.metadata, played.headers, names, path)
            if (call.end or {}).get("code") != 6:  # what was sent before the client declined is of no matter
                out += compare.messages_of(call.method, call.sent("s>c"), played.received, names, path)
        out += [f"inside: #{call.number} {call.method} is recorded and was not called: {compare.short(call.metadata)} {compare.short(call.sent('s>c')[:1])}"
                for call in self.free if not call.method.startswith("/grpc.health") and ".Content/" not in call.method
                and not compare.NOT_ASKED.search(str(call.sent("s>c")[:1]))]
        return out
